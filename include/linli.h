/* All that domain code (src/domain) sees of the core. */
#ifndef LINLI_H
#define LINLI_H
#include "arena.h"
#include "blob.h"
#include "config.h"
#include "encode.h"
#include "image.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "multipart.h"
#include "offload.h"
#include "outbound.h"
#include "password.h"
#include "request.h"
#include "seal.h"
#include "secret.h"
#include "session.h"
#include "sms.h"
#include "supervise.h"
#include "text.h"
#include "totp.h"
#endif
