/* Every setting, from one table in config.c; file format libconfuse with
 * ${ENV:-default}. `linlid --help` and systemd/linlid.conf list the same. */
#ifndef LINLI_CONFIG_H
#define LINLI_CONFIG_H
#include <stdbool.h>
#include <stdio.h>

struct config {
	char *listen;          /* "127.0.0.1:8080", "[::]:8080", "unix:/path" */
	long workers;          /* 0 = one a core */
	char *tls_certificate; /* "" = no TLS */
	char *tls_key;
	char *trusted_proxies; /* proxy.h */
	char *cors_origins;    /* cors.h */
	long gzip_level;       /* 0 = never */
	char *database;        /* libpq conninfo of role linli_app */
	char *database_owner;  /* … of linli_owner, for migrate */
	char *database_jobs;   /* … of linli_job */
	long database_connections; /* a worker */
	long statement_timeout_ms;
	char *keys_dir;        /* signing keys and the data key */
	char *data_dir;        /* photos */
	char *audit_heads;     /* "" = into the log only */
	char *issuer;          /* iss of the tokens */
	char *audience;        /* aud of the tokens */
	long access_token_seconds;
	long refresh_token_seconds;
	long outbound_timeout_ms;
	char *outbound_ca_file; /* "" = the system's */
	char *sms_url;          /* "" = none, file:/path, http(s)://… */
	char *sms_body;         /* JSON with {phone} {code} … */
	char *sms_auth;         /* none, token or hmac */
	long sms_per_hour;      /* 0 = no limit */
	char *wechat_url;
	char *wechat_app_id;    /* "" = no WeChat */
	long street_totp;       /* 0 or 1 */
	long issuer_private;    /* 0 or 1 */
	long actor_per_minute; /* limit.h; 0 = no limit */
	long actor_burst;
	long address_per_minute;
	long address_burst;
	long login_per_minute;
	long login_burst;
	long max_body_bytes;
	long max_photo_bytes;
	long max_photo_pixels;
	long max_request_line;
	long max_header_bytes;
	long max_headers;
	long head_timeout_s;
	long body_timeout_s;
	long body_min_rate;
	long idle_timeout_s;
	long max_connections; /* of all workers */
	long max_connections_per_address;
	long request_timeout_s;
	long drain_seconds;
	long job_interval_ms;
	char *log_level;
	char *metrics_listen; /* "" = no metrics */
	long server_timing;   /* 0 or 1 */
	long trace_database;  /* 0 or 1 */
};

extern struct config config;

/* path NULL: defaults only. On failure prints file, line and reason, false. */
bool config_load(const char *path) __attribute__((warn_unused_result));
/* Reads the same file again and takes over what may change while running. On
 * failure prints why and changes nothing. */
bool config_reload(void) __attribute__((warn_unused_result));
/* "# meaning" and "name = default" for each: a valid settings file. */
void config_describe(FILE *out);
#endif
