#!/bin/sh
# A private PostgreSQL cluster in a folder, reached by a unix socket only.
#
#   sh sql/cluster.sh start DIR [--fast]    make if absent, start, set up
#   sh sql/cluster.sh stop DIR
#   sh sql/cluster.sh conninfo DIR [ROLE]   libpq connection of database linli
#
# Never as root: root starts it as user postgres. Whoever may enter the socket
# folder (0700) is trusted. --fast gives up durability, for tests.
set -eu

fail() {
	echo "cluster: $*" >&2
	exit 1
}

usage() {
	sed -n '3,8s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

[ $# -ge 2 ] || usage
command=$1 dir=$2 option=${3:-}
here=$(cd "$(dirname "$0")" && pwd)

if [ "$(id -u)" = 0 ]; then
	as="setpriv --reuid=postgres --regid=postgres --init-groups --"
	owner=postgres
else
	as=
	owner=$(id -un)
fi
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)

make_folder() {
	mkdir -p "$1"
	[ "$(id -u)" != 0 ] || chown "$owner" "$1"
	chmod 700 "$1"
}

# A socket's path has at most 107 bytes; a deep folder gets a short one.
socket_folder() {
	if [ "$(printf %s "$dir/socket/.s.PGSQL.5432" | wc -c)" -le 107 ]; then
		echo "$dir/socket"
	else
		echo "/tmp/linli-$(printf %s "$dir" | cksum | cut -d' ' -f1)"
	fi
}

create() {
	rm -rf "$dir/data.new"
	$as "$bin/initdb" -D "$dir/data.new" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 $no_sync >"$dir/initdb.log" 2>&1 ||
		fail "initdb failed, see $dir/initdb.log"
	echo 'local all all trust' >"$dir/data.new/pg_hba.conf"
	cat >>"$dir/data.new/postgresql.conf" <<-'END'
		listen_addresses = ''
		unix_socket_permissions = 0700
		timezone = 'UTC'
		max_connections = 120
	END
	# Only a complete one gets the name that start looks for.
	$as mv "$dir/data.new" "$dir/data"
}

# After a crash the number in the lock file may belong to another program.
clear_stale_lock() {
	lock=$dir/data/postmaster.pid
	[ -e "$lock" ] || return 0
	pid=$(head -n 1 "$lock")
	case $(cat "/proc/$pid/comm" 2>/dev/null || true) in
	postgres*) ;;
	*) rm -f "$lock" ;;
	esac
}

running() {
	"$bin/pg_isready" -q -h "$socket" 2>/dev/null
}

setup() {
	psql="$bin/psql -X -q -h $socket -U postgres -v ON_ERROR_STOP=1"
	$psql -d postgres <<-'END'
		select 'create database linli template template0'
		where not exists (select from pg_database where datname = 'linli') \gexec
	END
	$psql -d linli -f "$here/setup.sql" >/dev/null
	$psql -d linli -c 'alter database linli owner to linli_owner'
}

start() {
	make_folder "$dir"
	dir=$(cd "$dir" && pwd)
	$as test -x "$dir" || fail "user $owner cannot enter $dir"
	socket=$(socket_folder)
	make_folder "$socket"
	[ "$(stat -c %U "$socket")" = "$owner" ] ||
		fail "$socket belongs to somebody else"
	no_sync= fast=
	if [ "$option" = --fast ]; then
		no_sync=-N
		fast="-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
	fi
	[ -d "$dir/data" ] || create
	running || {
		clear_stale_lock
		$as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -s \
			-o "-k '$socket' $fast" start 9>&- ||
			fail "PostgreSQL did not start, see $dir/log"
	}
	setup
}

case $command in
start)
	[ -n "$bin" ] || fail "PostgreSQL is not installed (make deps)"
	cd /
	case $dir in /*) ;; *) dir=$OLDPWD/$dir ;; esac
	start
	;;
stop)
	dir=$(cd "$dir" && pwd)
	cd /
	! [ -e "$dir/data/postmaster.pid" ] ||
		$as "$bin/pg_ctl" -D "$dir/data" -m fast -w -s stop
	case $(socket_folder) in
	/tmp/linli-*) rm -rf "$(socket_folder)" ;;
	esac
	;;
conninfo)
	dir=$(cd "$dir" && pwd)
	socket=$(socket_folder)
	case $socket in *' '*) socket="'$socket'" ;; esac
	echo "host=$socket dbname=linli${option:+ user=$option}"
	;;
*)
	usage
	;;
esac
