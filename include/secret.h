/* What others gave us to call them with: files of keys_dir that may be
 * missing, <name>.secret, mode 0600, one line. */
#ifndef LINLI_SECRET_H
#define LINLI_SECRET_H
#include <stdbool.h>

enum secret { SECRET_SMS, SECRET_WECHAT, SECRETS };

/* False: one is there but not as it should be; *why (malloc). */
bool secret_load(const char *dir, char **why);
/* The signing keys, the data key and these. */
bool secret_load_all(const char *dir, char **why);
const char *secret_text(enum secret which); /* NULL: there is none */
#endif
