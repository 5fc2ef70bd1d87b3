/* Untrusted pictures, re-encoded by the program linlid-image. Blocking: call
 * from an offload thread. */
#ifndef LINLI_IMAGE_H
#define LINLI_IMAGE_H
#include <stddef.h>

struct image {
	unsigned char *photo, *thumb; /* JPEG, malloc'd */
	size_t photo_len, thumb_len;
	int width, height;            /* of the photo */
};

/* NULL = done; else a problem code: photo_unsupported (not JPEG, PNG or WebP
 * by content), photo_too_many_pixels, photo_damaged, internal_error. */
const char *image_convert(const void *bytes, size_t len, long max_pixels,
			  struct image *out);
void image_free(struct image *image);
#endif
