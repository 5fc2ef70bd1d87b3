#!/bin/sh
# The demo (make run): a private cluster, keys and photos under var/, the
# demo's people and tickets loaded once, tokens for a day in var/demo.env.
#
#   PORT=8080 sh sql/demo/run.sh BUILD_FOLDER
set -eu
cd "$(dirname "$0")/../.."
build=$1
port=${PORT:-8080}
url=http://127.0.0.1:$port

fail() {
	echo "make run: $*" >&2
	exit 1
}

mkdir -p var
exec 9>var/lock
flock -n 9 || fail "another make run is at work in this folder"

# Neither PostgreSQL nor the daemon runs as root: root lends it to postgres.
if [ "$(id -u)" = 0 ]; then
	as='setpriv --reuid=postgres --regid=postgres --init-groups --'
	give() { chown postgres "$@"; }
else
	as=
	give() { :; }
fi

# Where that user cannot enter (/root, another's home), the demo lives outside
# and var/ only points to it.
choose_home() {
	home=$PWD/var
	bin=$PWD/$build
	$as test -x "$home" && $as test -x "$bin/linlid" && return
	home=/var/lib/linli-demo-$(printf %s "$PWD" | cksum | cut -d' ' -f1)
	bin=$home/bin
	mkdir -p "$bin"
	cp -f "$build/linlid" "$build/linlid-image" "$bin/"
	chmod 755 "$home" "$bin"
	for name in pg keys data linlid.conf; do
		[ -e "var/$name" ] || ln -sfn "$home/$name" "var/$name"
	done
}

configure() {
	pg="$(sh sql/cluster.sh conninfo "$home/pg")"
	mkdir -p "$home/keys" "$home/data"
	chmod 700 "$home/keys" "$home/data"
	cat >"$home/linlid.conf" <<-END
		listen = "127.0.0.1:$port"
		workers = 2
		database = "$pg user=linli_app"
		database_owner = "$pg user=linli_owner"
		database_jobs = "$pg user=linli_job"
		keys_dir = "$home/keys"
		data_dir = "$home/data"
		sms_url = "file:$home/data/sms.log"
		sms_per_hour = 0
		# The demo is there to be tried hard, from one machine.
		actor_per_minute = 0
		address_per_minute = 0
		max_connections_per_address = 0
	END
	give "$home/keys" "$home/data" "$home/linlid.conf"
}

linlid() {
	(cd / && exec $as "$bin/linlid" --config "$home/linlid.conf" "$@")
}

# One transaction, marked in the database itself: all of it, once.
load_demo() {
	set -- sql/demo/[0-9]*.sql
	psql="psql -X -q -v ON_ERROR_STOP=1"
	# As the daemon's own connections: the functions keep their plans.
	export PGOPTIONS="-c plan_cache_mode=force_generic_plan -c jit=off"
	loaded=$($psql -At -d "$pg user=postgres" -c "select
		shobj_description(oid, 'pg_database') from pg_database
		where datname = current_database()")
	[ "$loaded" != 'demo loaded' ] || return 0
	echo 'loading the demo'
	for file; do
		set -- "$@" -f "$file"
		shift
	done
	$psql -1 -d "$pg user=postgres" "$@" \
		-c "comment on database linli is 'demo loaded'" >/dev/null
	linlid regions load - --on 2024-01-01 <sql/data/chengdu.csv >/dev/null
}

# The one picture of the demo: for the walk, and as what finished tickets show,
# stored as the daemon stores it (src/blob.c).
place_photo() {
	base64 -d sql/demo/photo.jpg.b64 >var/photo.jpg
	hash=$(sha256sum var/photo.jpg | cut -d' ' -f1)
	pair=$(printf %.2s "$hash")
	mkdir -p "$home/data/photos/$pair"
	cp var/photo.jpg "$home/data/photos/$pair/${hash#??}"
	give -R "$home/data/photos"
	chmod -R go= "$home/data/photos"
}

# login, role: the name in demo.env is the login in capitals.
write_tokens() {
	{
		echo "LINLI_URL=$url"
		while read -r login role; do
			token=$(linlid token --account "$login" --role "$role" \
				--ttl 86400 </dev/null) || return
			echo "$login=$token" | sed 's/^[a-z0-9_]*/\U&/'
		done <<-END
			resident resident
			resident2 resident
			resident_far resident
			lead grid_lead
			lead2 grid_lead
			lead_next grid_lead
			community community
			community2 community
			street street
			street_far street
			department department
			merchant merchant
		END
	} >var/demo.env.new
	mv var/demo.env.new var/demo.env
}

daemon=
finish() {
	trap '' INT TERM HUP
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
	[ -z "$daemon" ] || wait "$daemon" || true
	sh sql/cluster.sh stop "$home/pg" || true
}

# Its own session: Ctrl-C reaches only this script, which asks it to drain.
start_daemon() {
	: >var/linlid.log
	(cd / && exec setsid $as "$bin/linlid" --config "$home/linlid.conf" \
		serve 9>&-) 2>>var/linlid.log &
	daemon=$!
}

wait_ready() {
	until grep -q '"event":"ready"' var/linlid.log; do
		kill -0 "$daemon" 2>/dev/null || {
			cat var/linlid.log >&2
			daemon=
			exit 1
		}
		sleep 0.02
	done
}

choose_home
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap finish EXIT
sh sql/cluster.sh start "$home/pg"
configure
[ -e "$home/keys/current" ] || linlid keys new
linlid migrate
load_demo
place_photo
start_daemon
write_tokens || fail 'no tokens: are the accounts of the demo there?'
wait_ready
# From here on, being stopped is how it ends well.
trap 'exit 0' INT TERM
sed "s|@URL@|$url|g; s|@SMS@|$home/data/sms.log|g" sql/demo/walk.txt
wait "$daemon"
