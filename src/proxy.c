/*
 * Each proxy adds the address it was asked from at the end of X-Forwarded-For,
 * so the list is read from its end for as long as those who wrote it are
 * trusted. Whatever stands before that anybody may have written.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATORS ", \t"

/* IPv4 lives in ::ffff:0:0/96, as it does on a socket for both. */
struct address {
	unsigned char bytes[16];
};

struct net {
	struct address base;
	int bits;
};

static struct {
	struct net *nets;
	size_t count;
	bool local; /* unix sockets */
} trusted;

static bool
address_read(const char *text, struct address *out, bool *four)
{
	struct in_addr in;

	*four = inet_pton(AF_INET, text, &in) == 1;
	if (!*four)
		return inet_pton(AF_INET6, text, out->bytes) == 1;
	memset(out->bytes, 0, 10);
	memset(out->bytes + 10, 0xff, 2);
	memcpy(out->bytes + 12, &in, 4);
	return true;
}

static bool
is_four(const struct address *a)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

static const char *
address_text(struct arena *arena, const struct address *a)
{
	char text[INET6_ADDRSTRLEN];

	if (is_four(a))
		inet_ntop(AF_INET, a->bytes + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, a->bytes, text, sizeof(text));
	return arena_strdup(arena, text);
}

/* Cuts word in two at the slash. NULL when fine, else why not. */
static const char *
net_read(char *word, struct net *out)
{
	char *slash = strchr(word, '/'), *end = NULL;
	int most;
	bool four;

	if (slash)
		*slash = '\0';
	if (!address_read(word, &out->base, &four))
		return "there is something that is no address, no net like "
		       "10.0.0.0/8 and not the word unix";
	most = four ? 32 : 128;
	out->bits = slash ? (int)strtol(slash + 1, &end, 10) : most;
	if (slash && (end == slash + 1 || *end || slash[1] == '+' ||
		      out->bits < 0 || out->bits > most))
		return "the number behind a / is no length of a net";
	if (out->bits == 0)
		return "a net of everybody cannot be trusted";
	out->bits += 128 - most;
	return NULL;
}

/* Reads the whole list into nets, which has room for as many as the list has
 * characters; counts in *count. */
static const char *
list_read(const char *list, struct net *nets, size_t *count, bool *local)
{
	char *copy = xstrdup(list), *rest, *word;
	const char *why = NULL;

	*count = 0;
	*local = false;
	for (word = strtok_r(copy, SEPARATORS, &rest); word && !why;
	     word = strtok_r(NULL, SEPARATORS, &rest)) {
		if (strcmp(word, "unix") == 0)
			*local = true;
		else
			why = net_read(word, &nets[(*count)++]);
	}
	free(copy);
	return why;
}

const char *
proxy_list_fault(const char *list)
{
	struct net *nets = xmalloc((strlen(list) + 1) * sizeof(*nets));
	size_t count;
	bool local;
	const char *why = list_read(list, nets, &count, &local);

	free(nets);
	return why;
}

void
proxy_trust(const char *list)
{
	free(trusted.nets);
	trusted.nets = xmalloc((strlen(list) + 1) * sizeof(*trusted.nets));
	(void)list_read(list, trusted.nets, &trusted.count, &trusted.local);
}

static bool
net_has(const struct net *net, const struct address *a)
{
	size_t whole = (size_t)net->bits / 8;
	int rest = net->bits % 8;

	if (memcmp(net->base.bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 ||
	       (net->base.bytes[whole] ^ a->bytes[whole]) >> (8 - rest) == 0;
}

static bool
is_trusted(const struct address *a)
{
	for (size_t i = 0; i < trusted.count; i++)
		if (net_has(&trusted.nets[i], a))
			return true;
	return false;
}

bool
proxy_within(const char *list, const char *client)
{
	struct net *nets = xmalloc((strlen(list) + 1) * sizeof(*nets));
	struct address a;
	bool within = false, local, four;
	size_t count;

	if (!list_read(list, nets, &count, &local) &&
	    address_read(client, &a, &four))
		for (size_t i = 0; i < count; i++)
			within = within || net_has(&nets[i], &a);
	free(nets);
	return within;
}

static bool
is_local(const char *peer)
{
	return !*peer || strcmp(peer, "localhost") == 0;
}

bool
proxy_trusted(const char *peer)
{
	struct address a;
	bool four;

	if (is_local(peer))
		return trusted.local;
	return trusted.count && address_read(peer, &a, &four) &&
	       is_trusted(&a);
}

/* One entry: 1.2.3.4, 1.2.3.4:5678, 2001:db8::1, [2001:db8::1]:5678. */
static bool
hop_read(const char *s, size_t n, struct address *out)
{
	char text[INET6_ADDRSTRLEN + 8], *colon;
	bool four;

	while (n && strchr(" \t", s[n - 1]))
		n--;
	while (n && strchr(" \t", *s))
		s++, n--;
	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	if (*text == '[') {
		text[strcspn(text, "]")] = '\0';
		return address_read(text + 1, out, &four) && !four;
	}
	colon = strchr(text, ':');
	if (colon && !strchr(colon + 1, ':'))
		*colon = '\0';
	return address_read(text, out, &four);
}

const char *
proxy_client(struct arena *a, const char *peer, const char *forwarded)
{
	size_t end = forwarded ? strlen(forwarded) : 0, from;
	struct address client, hop;
	bool known = false, four;

	if (!is_local(peer)) {
		/* One of many, and as it should be. */
		if (!end && *peer != ':')
			return arena_strdup(a, peer);
		known = address_read(peer, &client, &four);
		if (!known) /* an interface behind it: fe80::1%eth0 */
			return arena_strdup(a, peer);
	}
	for (bool more = end > 0 && proxy_trusted(peer); more; end = from - 1) {
		from = end;
		while (from && forwarded[from - 1] != ',')
			from--;
		if (!hop_read(forwarded + from, end - from, &hop))
			break;
		client = hop;
		known = true;
		more = from && is_trusted(&hop);
	}
	return known ? address_text(a, &client) : "local";
}

void
proxy_key(const char *client, unsigned char key[16])
{
	struct address a;
	bool four;

	memset(key, 0, 16);
	if (!address_read(client, &a, &four))
		return;
	memcpy(key, a.bytes, is_four(&a) ? 16 : 8);
}
