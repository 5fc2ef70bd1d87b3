/*
 * linlid-image <max_pixels> <in> <out> <thumb>: one untrusted picture in, two
 * clean JPEGs out, "width height" of the larger on stdout.
 *
 * <in>, <out>, <thumb> are open descriptors if they are numbers, else paths.
 * A process of its own, so that what a hostile picture may do to a decoder
 * it does where there is nothing: no server memory, no network, no other
 * program, little memory and few seconds.
 *
 * Exit: 0 done; 1 wrong usage, no memory, or an output cannot be written;
 * 2 not a JPEG, PNG or WebP by its content; 3 more than max_pixels; 4 damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vips/vips.h>

#define PHOTO_SIDE 2560
#define THUMB_SIDE 400
#define QUALITY 85
#define IN_MAX (64u << 20)

enum { DONE = 0, TROUBLE = 1, NOT_IMAGE = 2, TOO_LARGE = 3, DAMAGED = 4 };

struct bytes {
	unsigned char *p;
	size_t len;
};

static int
open_argument(const char *arg, int flags)
{
	if (*arg && strspn(arg, "0123456789") == strlen(arg))
		return atoi(arg);
	return open(arg, flags | O_CLOEXEC, 0600);
}

static bool
read_all(int fd, struct bytes *in)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < 0 ||
	    st.st_size > IN_MAX)
		return false;
	in->p = malloc((size_t)st.st_size + 1);
	if (!in->p)
		return false;
	while (in->len < (size_t)st.st_size) {
		n = pread(fd, in->p + in->len, (size_t)st.st_size - in->len,
			  (off_t)in->len);
		if (n <= 0)
			return false;
		in->len += (size_t)n;
	}
	return true;
}

static bool
write_all(int fd, const unsigned char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void
limit(int resource, rlim_t value)
{
	struct rlimit l = {value, value};

	if (setrlimit(resource, &l))
		_exit(TROUBLE);
}

static void
set_limits(void)
{
	limit(RLIMIT_CPU, 10);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, IN_MAX);
#ifndef __SANITIZE_ADDRESS__ /* its shadow alone is 16 TiB */
	limit(RLIMIT_AS, 1u << 30);
#endif
}

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* From here on: no sockets, no programs, no other process. A decoder never
 * asks for them; shell code would. */
static void
confine(void)
{
#ifdef ARCH
#define REFUSE(call)                                          \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		REFUSE(socket), REFUSE(connect), REFUSE(bind),
		REFUSE(execve), REFUSE(execveat), REFUSE(ptrace),
		REFUSE(kill), REFUSE(process_vm_readv),
		REFUSE(process_vm_writev), REFUSE(unlinkat), REFUSE(renameat2),
		REFUSE(mount), REFUSE(bpf), REFUSE(keyctl), REFUSE(unshare),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = sizeof(code) / sizeof(*code),
		.filter = code,
	};

	/* Where the kernel or a container forbids it, the limits remain. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#endif
}

/* By content: names and media types are only what somebody said. */
static bool
is_photo(const struct bytes *in)
{
	static const unsigned char png[] = "\x89PNG\r\n\x1a\n";

	if (in->len < 12)
		return false;
	return memcmp(in->p, "\xff\xd8\xff", 3) == 0 ||
	       memcmp(in->p, png, 8) == 0 ||
	       (memcmp(in->p, "RIFF", 4) == 0 &&
		memcmp(in->p + 8, "WEBP", 4) == 0);
}

static bool
start_vips(const char *name)
{
	if (vips_init(name))
		return false;
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_operation_block_set("VipsForeignLoad", TRUE);
	vips_operation_block_set("VipsForeignLoadJpeg", FALSE);
	vips_operation_block_set("VipsForeignLoadPng", FALSE);
	vips_operation_block_set("VipsForeignLoadWebp", FALSE);
	return true;
}

/* Reads the header only; nothing is decoded before its size is known. */
static int
check_size(const struct bytes *in, long max_pixels, bool *profiled)
{
	VipsImage *header = vips_image_new_from_buffer(
		in->p, in->len, "", "access", VIPS_ACCESS_SEQUENTIAL, NULL);
	long pixels;

	if (!header)
		return DAMAGED;
	pixels = (long)vips_image_get_width(header) *
		 vips_image_get_height(header);
	*profiled = vips_image_get_typeof(header, VIPS_META_ICC_NAME) != 0;
	g_object_unref(header);
	return pixels > max_pixels ? TOO_LARGE : DONE;
}

/* Upright, in sRGB, at most side × side, without transparency. Without a
 * profile the figures are sRGB already, and libvips would tint them. The
 * loader's own option makes half a file an error: the thumbnailer's "fail-on"
 * does not reach it (libvips 8.14). */
static VipsImage *
shrink(const struct bytes *in, VipsImage *from, bool profiled, int side)
{
	VipsImage *small = NULL, *flat = NULL;
	VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
	int failed;

	failed = from ? vips_thumbnail_image(from, &small, side, "height", side,
					     "size", VIPS_SIZE_DOWN, NULL) :
			vips_thumbnail_buffer(
				in->p, in->len, &small, side, "height", side,
				"size", VIPS_SIZE_DOWN, "export-profile",
				profiled ? "srgb" : NULL, "option_string",
				"[fail-on=truncated]", NULL);
	if (!failed && vips_image_hasalpha(small))
		failed = vips_flatten(small, &flat, "background", white, NULL);
	else if (!failed)
		flat = g_object_ref(small);
	if (small)
		g_object_unref(small);
	vips_area_unref(VIPS_AREA(white));
	return failed ? NULL : flat;
}

/* strip: no EXIF, XMP, IPTC, ICC or embedded thumbnail survives. */
static bool
encode(VipsImage *image, struct bytes *out)
{
	VipsImage *rgb = NULL;
	bool done = vips_colourspace(image, &rgb, VIPS_INTERPRETATION_sRGB,
				     NULL) == 0 &&
		    vips_jpegsave_buffer(rgb, (void **)&out->p, &out->len, "Q",
					 QUALITY, "strip", TRUE,
					 "optimize_coding", TRUE, NULL) == 0;

	if (rgb)
		g_object_unref(rgb);
	return done;
}

static int
convert(const struct bytes *in, bool profiled, struct bytes *photo,
	struct bytes *thumb, int *width, int *height)
{
	VipsImage *large = shrink(in, NULL, profiled, PHOTO_SIDE);
	VipsImage *memory, *small;

	/* Decoded once: the thumbnail is made of the photo's pixels. */
	memory = large ? vips_image_copy_memory(large) : NULL;
	if (!memory)
		return DAMAGED;
	small = shrink(NULL, memory, false, THUMB_SIDE);
	if (!small || !encode(memory, photo) || !encode(small, thumb))
		return TROUBLE;
	*width = vips_image_get_width(memory);
	*height = vips_image_get_height(memory);
	return DONE;
}

/* What is left behind goes with the process: main() tidies nothing. */
static int
run(int argc, char **argv)
{
	static struct bytes in, photo, thumb;
	int fds[3], width, height, code;
	long max_pixels;
	bool profiled;

	if (argc != 5 || (max_pixels = atol(argv[1])) < 1) {
		fputs("usage: linlid-image MAX_PIXELS IN OUT THUMB\n", stderr);
		return TROUBLE;
	}
	set_limits();
	fds[0] = open_argument(argv[2], O_RDONLY);
	fds[1] = open_argument(argv[3], O_WRONLY | O_CREAT | O_TRUNC);
	fds[2] = open_argument(argv[4], O_WRONLY | O_CREAT | O_TRUNC);
	if (fds[0] < 0 || fds[1] < 0 || fds[2] < 0 || !read_all(fds[0], &in))
		return TROUBLE;
	if (!is_photo(&in))
		return NOT_IMAGE;
	if (!start_vips(argv[0]))
		return TROUBLE;
	confine();
	code = check_size(&in, max_pixels, &profiled);
	if (code == DONE)
		code = convert(&in, profiled, &photo, &thumb, &width, &height);
	if (code != DONE)
		return code;
	if (!write_all(fds[1], photo.p, photo.len) ||
	    !write_all(fds[2], thumb.p, thumb.len) ||
	    printf("%d %d\n", width, height) < 0 || fflush(stdout))
		return TROUBLE;
	return DONE;
}

int
main(int argc, char **argv)
{
	_exit(run(argc, argv));
}
