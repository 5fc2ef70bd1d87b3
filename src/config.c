/*
 * Settings: one table says name, kind, bounds, default and meaning. The file
 * reader, `linlid --help`, `linlid serve --settings` and the check of
 * systemd/linlid.conf all read it.
 */
#include "config.h"

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arena.h"
#include "cors.h"
#include "memory.h"
#include "proxy.h"
#include "sms.h"

struct config config;
static char *config_path;

enum kind { TEXT, NUMBER };

struct setting {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *text; /* default, and for some texts the choices */
	const char *choices; /* " a b c ", NULL = any */
	const char *(*fault)(const char *value); /* NULL = any; why not */
	long number, min, max;
	bool live; /* SIGHUP brings a new value into force */
	const char *help;
};

#define T(field, text, choices, live, help) \
	{ #field, TEXT, offsetof(struct config, field), text, choices, \
	  NULL, 0, 0, 0, live, help }
#define L(field, fault, help) \
	{ #field, TEXT, offsetof(struct config, field), "", NULL, \
	  fault, 0, 0, 0, true, help }
#define J(field, text, fault, help) \
	{ #field, TEXT, offsetof(struct config, field), text, NULL, \
	  fault, 0, 0, 0, true, help }
#define N(field, number, min, max, live, help) \
	{ #field, NUMBER, offsetof(struct config, field), NULL, NULL, \
	  NULL, number, min, max, live, help }

static const struct setting settings[] = {
	T(listen, "127.0.0.1:8080", NULL, false,
	  "where to listen: host:port, [v6]:port or unix:/path"),
	N(workers, 0, 0, 64, false, "API processes; 0 = one a core"),
	T(tls_certificate, "", NULL, true,
	  "PEM file of the certificate and its chain; empty = no TLS"),
	T(tls_key, "", NULL, true, "PEM file of the certificate's key"),
	L(trusted_proxies, proxy_list_fault,
	  "whose X-Forwarded-For counts: addresses, nets, unix"),
	L(cors_origins, cors_list_fault,
	  "origins of web pages that may call: https://example.org, …"),
	N(gzip_level, 1, 0, 4, true,
	  "effort in packing replies for those who ask; 0 = never"),
	T(database, "dbname=linli user=linli_app", NULL, false,
	  "libpq connection of role linli_app, for the workers"),
	T(database_owner, "dbname=linli user=linli_owner", NULL, false,
	  "libpq connection of role linli_owner, for migrate, token and user"),
	T(database_jobs, "dbname=linli user=linli_job", NULL, false,
	  "libpq connection of role linli_job, for the job process"),
	N(database_connections, 4, 1, 32, false,
	  "database connections of each worker"),
	N(statement_timeout_ms, 5000, 100, 600000, false,
	  "longest a statement may run, in ms"),
	T(keys_dir, "/var/lib/linli/keys", NULL, false,
	  "folder of the signing keys and the data key"),
	T(data_dir, "/var/lib/linli/data", NULL, false,
	  "folder of photos, imports and exports"),
	T(audit_heads, "", NULL, false,
	  "file the heads of the audit log are added to; empty = only logged"),
	T(issuer, "linli", NULL, false, "iss of the access tokens"),
	T(audience, "linli", NULL, false, "aud of the access tokens"),
	N(access_token_seconds, 900, 30, 86400, true,
	  "life of an access token, in s"),
	N(refresh_token_seconds, 2592000, 60, 31536000, true,
	  "life of a refresh token, in s"),
	N(outbound_timeout_ms, 5000, 100, 30000, true,
	  "longest wait for WeChat or the SMS gateway, in ms"),
	T(outbound_ca_file, "", NULL, true,
	  "PEM file of the authorities we trust; empty = the system's"),
	T(sms_url, "", NULL, true,
	  "SMS gateway: https://…, or file:/path to try it; empty = none"),
	J(sms_body, "{\"phone\": \"{phone}\", \"code\": \"{code}\", "
	  "\"purpose\": \"{purpose}\", \"minutes\": {minutes}, "
	  "\"id\": \"{id}\"}", sms_body_fault,
	  "what the gateway is sent: JSON with {phone} {code} {purpose} "
	  "{minutes} {id}"),
	T(sms_auth, "token", " none token hmac ", true,
	  "how the gateway knows us, by keys_dir's sms.secret"),
	N(sms_per_hour, 2000, 0, 10000000, true,
	  "codes sent in an hour, to all phones together; 0 = no limit"),
	T(wechat_url, "https://api.weixin.qq.com", NULL, true,
	  "where WeChat answers"),
	T(wechat_app_id, "", NULL, true,
	  "the mini-program's appid; empty = no sign-in by WeChat"),
	N(street_totp, 0, 0, 1, true,
	  "1: who acts for a street signs in with a one-time password too"),
	N(issuer_private, 0, 0, 1, true,
	  "1: keys of outside issuers may come over http or from our own "
	  "network"),
	N(actor_per_minute, 600, 0, 60000000, true,
	  "requests a minute of one account; 0 = no limit"),
	N(actor_burst, 120, 1, 100000, true, "of them at once"),
	N(address_per_minute, 1200, 0, 60000000, true,
	  "requests a minute without a token from one address; 0 = no limit"),
	N(address_burst, 300, 1, 100000, true, "of them at once"),
	N(login_per_minute, 60, 0, 60000000, true,
	  "sign-ins a minute from one address; 0 = no limit"),
	N(login_burst, 30, 1, 100000, true, "of them at once"),
	N(max_body_bytes, 262144, 1024, 16777216, true,
	  "largest body of an operation that does not say its own"),
	N(max_photo_bytes, 10485760, 1024, 67108864, false,
	  "largest photo, in bytes"),
	N(max_photo_pixels, 40000000, 10000, 400000000, true,
	  "largest photo, in pixels"),
	N(max_request_line, 8192, 256, 65536, false,
	  "longest request line, in bytes"),
	N(max_header_bytes, 16384, 1024, 1048576, false,
	  "all header fields of a request together, in bytes"),
	N(max_headers, 64, 8, 1000, false,
	  "header fields of a request"),
	N(head_timeout_s, 10, 1, 600, true,
	  "longest time for all of a request head, in s"),
	N(body_timeout_s, 60, 1, 3600, true,
	  "longest time for a body, in or out, in s, and again while it flows"),
	N(body_min_rate, 1024, 1, 1048576, true,
	  "a body flows when it moves so many bytes each s"),
	N(idle_timeout_s, 60, 1, 3600, true,
	  "time a connection may wait between requests, in s"),
	N(max_connections, 10000, 1, 1000000, true,
	  "connections of all workers together"),
	N(max_connections_per_address, 1000, 0, 1000000, true,
	  "of them from one address; 0 = no limit"),
	N(request_timeout_s, 30, 1, 3600, false,
	  "longest wait for a client to take some of its reply, in s"),
	N(drain_seconds, 30, 0, 3600, true,
	  "longest wait for requests in flight when stopping, in s"),
	N(job_interval_ms, 1000, 50, 3600000, true,
	  "pause between rounds of the job process, in ms"),
	T(log_level, "info", " error warn info debug ", true,
	  "error, warn, info or debug"),
	T(metrics_listen, "", NULL, false,
	  "where Prometheus asks: 127.0.0.1:9464 or unix:/path; empty = off"),
	N(server_timing, 0, 0, 1, true,
	  "1: replies say in Server-Timing how long they took"),
	N(trace_database, 0, 0, 1, true,
	  "1: application_name of the database is the request's trace id"),
};
#define COUNT (sizeof(settings) / sizeof(*settings))

static const struct setting *
setting_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	abort(); /* libconfuse asks about those it got from here */
}

static bool
is_choice(const struct setting *s, const char *value)
{
	char wanted[64];

	if (!s->choices)
		return true;
	snprintf(wanted, sizeof(wanted), " %s ", value);
	return !strchr(value, ' ') && strstr(s->choices, wanted);
}

/* libconfuse calls this right after it read a value, when it still knows the
 * line. */
static int
check_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct setting *s = setting_find(opt->name);
	const char *why;
	long number;

	if (s->kind == TEXT && !is_choice(s, cfg_opt_getnstr(opt, 0))) {
		cfg_error(cfg, "%s must be one of:%s", s->name, s->choices);
		return -1;
	}
	why = s->fault ? s->fault(cfg_opt_getnstr(opt, 0)) : NULL;
	if (why)
		cfg_error(cfg, "%s: %s", s->name, why);
	if (s->kind == TEXT)
		return why ? -1 : 0;
	number = cfg_opt_getnint(opt, 0);
	if (number >= s->min && number <= s->max)
		return 0;
	cfg_error(cfg, "%s is %ld; it must lie between %ld and %ld", s->name,
		  number, s->min, s->max);
	return -1;
}

static void
print_error(cfg_t *cfg, const char *fmt, va_list args)
{
	fprintf(stderr, "%s:%d: ", cfg->filename ? cfg->filename : "config",
		cfg->line);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

static cfg_t *
config_open(void)
{
	cfg_opt_t opts[COUNT + 1];
	const cfg_opt_t end = CFG_END();
	cfg_t *cfg;

	for (size_t i = 0; i < COUNT; i++) {
		const struct setting *s = &settings[i];
		const cfg_opt_t text = CFG_STR(s->name, s->text, CFGF_NONE);
		const cfg_opt_t number = CFG_INT(s->name, s->number, CFGF_NONE);

		opts[i] = s->kind == TEXT ? text : number;
	}
	opts[COUNT] = end;
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		abort();
	cfg_set_error_function(cfg, print_error);
	for (size_t i = 0; i < COUNT; i++)
		cfg_set_validate_func(cfg, settings[i].name, check_value);
	return cfg;
}

/* libconfuse ends the process when handed a folder, so look first. */
static bool
config_parse(cfg_t *cfg, const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "re");
	bool fine;

	if (!file || fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode)) {
		fprintf(stderr, "%s: cannot be read: %s\n", path,
			file ? "not a file" : strerror(errno));
		if (file)
			fclose(file);
		return false;
	}
	cfg->filename = xstrdup(path);
	fine = cfg_parse_fp(cfg, file) == CFG_SUCCESS;
	fclose(file);
	return fine;
}

static void
config_take(cfg_t *cfg, const struct setting *s)
{
	char *at = (char *)&config + s->offset;

	if (s->kind == NUMBER) {
		*(long *)(void *)at = cfg_getint(cfg, s->name);
		return;
	}
	free(*(char **)(void *)at);
	*(char **)(void *)at = xstrdup(cfg_getstr(cfg, s->name));
}

static bool
config_read(const char *path, bool live_only)
{
	cfg_t *cfg;
	bool fine;

	errno = 0;
	cfg = config_open();
	fine = !path || config_parse(cfg, path);
	memory_check();
	for (size_t i = 0; fine && i < COUNT; i++)
		if (!live_only || settings[i].live)
			config_take(cfg, &settings[i]);
	cfg_free(cfg);
	return fine;
}

bool
config_load(const char *path)
{
	char *copy = path ? xstrdup(path) : NULL;

	free(config_path);
	config_path = copy;
	return config_read(config_path, false);
}

bool
config_reload(void)
{
	return config_read(config_path, true);
}

void
config_describe(FILE *out)
{
	for (size_t i = 0; i < COUNT; i++) {
		const struct setting *s = &settings[i];

		fprintf(out, "# %s\n", s->help);
		if (s->kind == TEXT)
			/* libconfuse takes both quotes */
			fprintf(out, strchr(s->text, '"') ? "%s = '%s'\n"
							  : "%s = \"%s\"\n",
				s->name, s->text);
		else
			fprintf(out, "%s = %ld\n", s->name, s->number);
	}
}
