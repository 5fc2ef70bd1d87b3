/* Secrets of gateways stand beside the keys, not among the settings: those are
 * copied, shown and mailed around. */
#include "secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "seal.h"
#include "token.h"

#define MOST 512

static const char *const names[SECRETS] = {
	[SECRET_SMS] = "sms.secret",
	[SECRET_WECHAT] = "wechat.secret",
};
static char *secrets[SECRETS];

static void
put(enum secret which, char *text)
{
	if (secrets[which]) {
		sodium_memzero(secrets[which], strlen(secrets[which]));
		free(secrets[which]);
	}
	secrets[which] = text;
}

bool
secret_load(const char *path, char **why)
{
	int dir = file_dir(path, false, why);
	char *text;
	size_t len;

	if (dir < 0)
		return false;
	for (int i = 0; i < SECRETS; i++) {
		text = NULL;
		if (faccessat(dir, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			text = (char *)file_read_secret(dir, names[i], MOST,
							&len, why);
			if (!text) {
				close(dir);
				return false;
			}
			text[strcspn(text, "\r\n")] = '\0';
		}
		put((enum secret)i, text);
	}
	close(dir);
	return true;
}

bool
secret_load_all(const char *dir, char **why)
{
	return keys_load(dir, why) && seal_load(dir, why) &&
	       secret_load(dir, why);
}

const char *
secret_text(enum secret which)
{
	return secrets[which];
}
