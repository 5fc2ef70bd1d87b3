/*
 * A fuzz target where there is no libFuzzer, in make check: every file of the
 * corpus as it is, then changed copies, the same ones each time.
 *
 *   build/san/fuzz/uri [-runs=5000] tests/fuzz/corpus/uri
 *   build/san/fuzz/uri build/san/fuzz/uri.crash        just this one again
 */
#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define ROOM 4096
#define HANG_S 60

struct input {
	uint8_t *bytes;
	size_t len;
};

static struct input *corpus;
static size_t count;
static struct input now; /* being run */
static const char *crash_path;

/* ---- what is found ---- */

static void
keep(void)
{
	FILE *f = now.bytes ? fopen(crash_path, "w") : NULL;

	if (!f) /* a leak, say: not of one input */
		return;
	fwrite(now.bytes, 1, now.len, f);
	fclose(f);
	fprintf(stderr, "the input is %s\n", crash_path);
}

static void
caught(int number)
{
	signal(number, SIG_DFL);
	if (number == SIGALRM)
		fprintf(stderr, "no end after %d s\n", HANG_S);
	keep();
	raise(number);
}

/* From memory of exact size, so that reading on is seen. */
static void
run(const uint8_t *bytes, size_t n)
{
	now = (struct input){ xmalloc(n), n };
	memcpy(now.bytes, bytes, n);
	alarm(HANG_S);
	LLVMFuzzerTestOneInput(now.bytes, n);
	alarm(0);
	free(now.bytes);
	now = (struct input){ 0 };
}

/* ---- changed copies ---- */

static uint64_t
any(uint64_t below)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return below ? x % below : 0;
}

static void
insert(uint8_t *s, size_t *n, const uint8_t *from, size_t len)
{
	size_t at = any(*n + 1);

	if (len > ROOM - *n)
		len = ROOM - *n;
	memmove(s + at + len, s + at, *n - at);
	memcpy(s + at, from, len);
	*n += len;
}

static void
change(uint8_t *s, size_t *n)
{
	static const uint8_t telling[] = "\0\x01\x7f\x80\xff\r\n \t\"\\"
					 "%/.,:;=&-0{[]}";
	const struct input *other = &corpus[any(count)];
	size_t at = any(*n), len = 1 + any(any(4) ? 4 : 64);
	uint8_t piece[64];

	switch (any(6)) {
	case 0:
		if (*n)
			s[at] ^= (uint8_t)(1 << any(8));
		return;
	case 1:
		if (*n)
			s[at] = telling[any(sizeof(telling) - 1)];
		return;
	case 2:
		if (len > *n - at)
			len = *n - at;
		memmove(s + at, s + at + len, *n - at - len);
		*n -= len;
		return;
	case 3:
		insert(s, n, &telling[any(sizeof(telling) - 1)], 1);
		return;
	case 4:
		if (len > *n - at)
			len = *n - at;
		memcpy(piece, s + at, len);
		insert(s, n, piece, len);
		return;
	default:
		at = any(other->len);
		len = 1 + any(other->len - at);
		if (other->len)
			insert(s, n, other->bytes + at, len);
	}
}

static void
run_changed(void)
{
	const struct input *in = &corpus[any(count)];
	uint8_t s[ROOM];
	size_t n = in->len < ROOM ? in->len : ROOM;

	memcpy(s, in->bytes, n);
	for (uint64_t i = 0, times = 1 + any(4); i < times; i++)
		change(s, &n);
	run(s, n);
}

/* ---- the corpus ---- */

static void
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	struct stat st;
	struct input in;

	if (!f || fstat(fileno(f), &st) != 0) {
		perror(path);
		exit(1);
	}
	in.bytes = xmalloc((size_t)st.st_size);
	in.len = fread(in.bytes, 1, (size_t)st.st_size, f);
	fclose(f);
	corpus = xrealloc(corpus, (count + 1) * sizeof(*corpus));
	corpus[count++] = in;
}

/* By name, so that the order is the same everywhere. */
static void
read_folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);

	if (n < 0) {
		read_file(path);
		return;
	}
	for (int i = 0; i < n; i++) {
		char *file = xprintf("%s/%s", path, names[i]->d_name);

		if (names[i]->d_name[0] != '.')
			read_file(file);
		free(file);
		free(names[i]);
	}
	free(names);
}

int
main(int argc, char **argv)
{
	static const int numbers[] = { SIGABRT, SIGALRM, SIGSEGV, SIGFPE };
	long runs = 0;

	crash_path = xprintf("%s.crash", argv[0]);
	__sanitizer_set_death_callback(keep);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		signal(numbers[i], caught);
	for (int i = 1; i < argc; i++)
		if (sscanf(argv[i], "-runs=%ld", &runs) != 1)
			read_folder(argv[i]);
	for (size_t i = 0; i < count; i++)
		run(corpus[i].bytes, corpus[i].len);
	for (long i = 0; i < runs && count; i++)
		run_changed();
	printf("%zu files, %ld changed copies\n", count, runs);
	return count ? 0 : 1;
}
