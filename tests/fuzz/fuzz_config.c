/*
 * Settings files. One that is taken keeps every bound; one that is refused
 * changes nothing; and either does the same when read again.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "cors.h"
#include "fuzz.h"
#include "proxy.h"
#include "text.h"

static FILE *nowhere;

static bool
load(const char *path)
{
	FILE *kept = stderr;
	bool fine;

	stderr = nowhere;
	fine = config_load(path);
	stderr = kept;
	return fine;
}

/* A few of each kind; the texts are copies, so by what they say. */
static char *
picture(struct arena *a)
{
	return arena_printf(
		a, "%s|%s|%s|%s|%s|%ld|%ld|%ld|%ld|%ld|%ld", config.listen,
		config.trusted_proxies, config.cors_origins, config.database,
		config.log_level, config.workers, config.gzip_level,
		config.max_headers, config.drain_seconds, config.login_burst,
		config.trace_database);
}

static void
check_bounds(void)
{
	char level[32];

	must(strlen(config.log_level) < 8);
	sprintf(level, " %s ", config.log_level);
	must(strstr(" error warn info debug ", level));
	must(config.workers >= 0 && config.workers <= 64);
	must(config.gzip_level >= 0 && config.gzip_level <= 4);
	must(config.max_headers >= 8 && config.max_headers <= 1000);
	must(config.drain_seconds >= 0 && config.drain_seconds <= 3600);
	must(config.login_burst >= 1 && config.login_burst <= 100000);
	must(config.trace_database == 0 || config.trace_database == 1);
	must(!proxy_list_fault(config.trusted_proxies));
	must(!cors_list_fault(config.cors_origins));
}

int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	struct arena *a = arena_new();
	int fd = memfd_create("settings", MFD_CLOEXEC);
	char *path = arena_printf(a, "/proc/self/fd/%d", fd), *before, *after;
	bool fine;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	must(fd >= 0 && write(fd, s, n) == (ssize_t)n);
	must(config_load(NULL));
	before = picture(a);
	fine = load(path);
	after = picture(a);
	must(fine || strcmp(before, after) == 0);
	check_bounds();
	must(load(path) == fine);
	must(strcmp(picture(a), after) == 0);
	close(fd);
	arena_free(a);
	return 0;
}
