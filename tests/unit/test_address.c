/* Addresses we call nobody at who was named to us: security 31. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "address.h"

static bool
is_public(const char *text)
{
	struct sockaddr_storage s;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memset(&s, 0, sizeof(s));
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		memcpy(&s, &in, sizeof(in));
	else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		memcpy(&s, &in6, sizeof(in6));
	else
		fail_msg("%s is no address", text);
	return address_is_public((struct sockaddr *)&s);
}

static void
test_ours(void **state)
{
	static const char *const all[] = {
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
		"100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9",
		"169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.8", "192.168.1.1", "198.18.0.1", "198.19.255.255",
		"224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
		"::ffff:8.8.8.8", "::ffff:127.0.0.1", "::127.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1",
		"2001:db8::1", "2002:7f00:1::", "fc00::1", "fdff::1",
		"fe80::1", "febf::1", "fec0::1", "ff02::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (is_public(all[i]))
			fail_msg("%s", all[i]);
}

static void
test_the_worlds(void **state)
{
	static const char *const all[] = {
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255",
		"100.128.0.0", "126.0.0.1", "128.0.0.1", "169.253.0.1",
		"172.15.0.1", "172.32.0.1", "192.167.0.1", "198.17.0.1",
		"198.20.0.1", "223.255.255.255", "2400:3200::1",
		"2606:4700:4700::1111", "2a00::1", "fbff::1", "2003::1",
	};
	struct sockaddr_un local = { .sun_family = AF_UNIX };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!is_public(all[i]))
			fail_msg("%s", all[i]);
	assert_false(address_is_public((struct sockaddr *)&local));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_the_worlds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
