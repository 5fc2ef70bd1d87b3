/* The client's address behind proxies: from those who are trusted, to the
 * last one who is not, and nothing of what that one says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "proxy.h"

static void
expect(const char *peer, const char *forwarded, const char *client)
{
	struct arena *a = arena_new();

	assert_string_equal(proxy_client(a, peer, forwarded), client);
	arena_free(a);
}

static void
test_nobody_is_trusted_unless_named(void **state)
{
	(void)state;
	proxy_trust("");
	expect("192.0.2.1", "198.51.100.7", "192.0.2.1");
	expect("127.0.0.1", "198.51.100.7", "127.0.0.1");
	expect("", "198.51.100.7", "local");
	expect("::ffff:192.0.2.1", NULL, "192.0.2.1");
	expect("fe80::1%eth0", "198.51.100.7", "fe80::1%eth0");
}

static void
test_last_untrusted_hop(void **state)
{
	(void)state;
	proxy_trust("127.0.0.1, 10.0.0.0/8 2001:db8::/33");
	expect("127.0.0.1", "198.51.100.7", "198.51.100.7");
	expect("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7");
	expect("127.0.0.1", "198.51.100.7, 10.1.2.3", "198.51.100.7");
	expect("127.0.0.1", "198.51.100.7,10.1.2.3,10.255.0.1",
	       "198.51.100.7");
	expect("127.0.0.1", "198.51.100.7, 2001:db8:7fff::1", "198.51.100.7");
	expect("127.0.0.1", "198.51.100.7, 2001:db8:8000::1",
	       "2001:db8:8000::1");
	/* all of them trusted: whoever is first */
	expect("127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9");
	expect("127.0.0.1", NULL, "127.0.0.1");
	expect("127.0.0.1", "", "127.0.0.1");
}

static void
test_forged_entries_are_not_read(void **state)
{
	(void)state;
	proxy_trust("127.0.0.1 10.0.0.0/8");
	/* what the client wrote itself stands before what the proxy saw */
	expect("127.0.0.1", "203.0.113.5, 198.51.100.7", "198.51.100.7");
	expect("127.0.0.1", "10.0.0.1, 203.0.113.5, 198.51.100.7, 10.0.0.2",
	       "198.51.100.7");
	expect("127.0.0.1", "127.0.0.1, 198.51.100.7", "198.51.100.7");
	expect("198.51.100.7", "203.0.113.5", "198.51.100.7");
	expect("11.0.0.1", "203.0.113.5", "11.0.0.1");
	/* a trusted one that writes nonsense is as far as we can see */
	expect("127.0.0.1", "203.0.113.5, unknown", "127.0.0.1");
	expect("127.0.0.1", "203.0.113.5, unknown, 10.0.0.9", "10.0.0.9");
	expect("127.0.0.1", "203.0.113.5,", "127.0.0.1");
	expect("127.0.0.1", ",", "127.0.0.1");
	expect("127.0.0.1", "198.51.100.7\"}", "127.0.0.1");
	expect("127.0.0.1", "1.2.3.4.5", "127.0.0.1");
	expect("127.0.0.1",
	       "1111111111111111111111111111111111111111111111111111111111111",
	       "127.0.0.1");
}

static void
test_spellings_of_a_hop(void **state)
{
	(void)state;
	proxy_trust("127.0.0.1");
	expect("127.0.0.1", "198.51.100.7:41234", "198.51.100.7");
	expect("127.0.0.1", "[2001:DB8::0007]:41234", "2001:db8::7");
	expect("127.0.0.1", "[2001:db8::7]", "2001:db8::7");
	expect("127.0.0.1", "2001:db8:0:0::7", "2001:db8::7");
	expect("127.0.0.1", " \t198.51.100.7 ", "198.51.100.7");
	expect("127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7");
	expect("127.0.0.1", "[198.51.100.7]", "127.0.0.1");
}

static void
test_unix_sockets(void **state)
{
	(void)state;
	proxy_trust("unix");
	expect("", "203.0.113.5, 198.51.100.7", "198.51.100.7");
	expect("", NULL, "local");
	expect("localhost", "203.0.113.5, 198.51.100.7", "198.51.100.7");
	expect("localhost", NULL, "local");
	expect("127.0.0.1", "198.51.100.7", "127.0.0.1");
}

static void
test_lists(void **state)
{
	static const char *const good[] = {
		"",	       "unix",	  "127.0.0.1",	"10.0.0.0/8,::1",
		"192.0.2.9/32", "::1/128", " , 10.0.0.1 ,", "2001:db8::/1",
	};
	static const char *const bad[] = {
		"localhost",	 "10.0.0.0/33", "10.0.0/8",   "::1/129",
		"10.0.0.0/",	 "10.0.0.0/8x", "10.0.0.0/-1", "0.0.0.0/0",
		"::/0",		 "10.0.0.1;",	"UNIX",	      "10.0.0.0/+8",
		"10.0.0.1, nono",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (proxy_list_fault(good[i]))
			fail_msg("%s: %s", good[i], proxy_list_fault(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!proxy_list_fault(bad[i]))
			fail_msg("%s is taken for a list", bad[i]);
}

static bool
same_key(const char *a, const char *b)
{
	unsigned char ka[16], kb[16];

	proxy_key(a, ka);
	proxy_key(b, kb);
	return memcmp(ka, kb, sizeof(ka)) == 0;
}

static void
test_keys(void **state)
{
	(void)state;
	assert_true(same_key("192.0.2.1", "192.0.2.1"));
	assert_false(same_key("192.0.2.1", "192.0.2.2"));
	assert_false(same_key("192.0.2.1", "local"));
	assert_true(same_key("2001:db8::1", "2001:db8::ffff:1"));
	assert_false(same_key("2001:db8::1", "2001:db8:0:1::1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_is_trusted_unless_named),
		cmocka_unit_test(test_last_untrusted_hop),
		cmocka_unit_test(test_forged_entries_are_not_read),
		cmocka_unit_test(test_spellings_of_a_hop),
		cmocka_unit_test(test_unix_sockets),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
