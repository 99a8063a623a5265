// Who stands behind an IP address, however it is written.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { networkOf, siteOf } from "#lib/ip.ts";

test.each([
  ["192.0.2.7", "192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"],
  ["::ffff:a01:203", "10.1.2.3", "10.1.2.3"],
  ["[::FFFF:0a01:203]", "10.1.2.3", "10.1.2.3"],
  ["0:0:0:0:0:ffff:c000:207", "192.0.2.7", "192.0.2.7"],
  ["[2001:db8::1]", "2001:db8:0:0", "2001:db8:0"],
  ["2001:0DB8:0:0:ffff::", "2001:db8:0:0", "2001:db8:0"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2", "2001:db8:1"],
  ["2001:db8:1:2::6", "2001:db8:1:2", "2001:db8:1"],
  ["::1", "0:0:0:0", "0:0:0"],
  ["::", "0:0:0:0", "0:0:0"],
  ["::1:2:3:4:5", "0:0:0:1", "0:0:0"],
  ["1:2:3::", "1:2:3:0", "1:2:3"],
  ["fe80::1%eth0", "fe80:0:0:0", "fe80:0:0"],
  ["example.org", "example.org", "example.org"],
  ["", "", ""],
])("%s is of %s", (address, network, site) => {
  expect([networkOf(address), siteOf(address)]).toEqual([network, site]);
});

test("an IPv6 address stands for its network however it is written", () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant(0), group), { minLength: 8, maxLength: 8 }), (groups) => {
      fc.pre(groups.slice(0, 5).some((each) => each > 0));
      const whole = groups.map((each) => each.toString(16)).join(":");
      const short = new URL(`http://[${whole}]/`).hostname;
      const owner = groups.slice(0, 4).map((each) => each.toString(16));
      expect([networkOf(whole), networkOf(short)]).toEqual([owner.join(":"), owner.join(":")]);
    }),
  );
});

test("an IPv4 address is the same mapped into IPv6, dotted or as a URL writes it", () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const mapped = new URL(`http://[::ffff:${address}]/`).hostname;
      for (const each of [address, mapped, `::ffff:${address}`]) expect(networkOf(each)).toBe(address);
    }),
  );
});
