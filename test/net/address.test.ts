// Addresses of peers in every form an operator may write.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ownerOf, parsePeerAddress } from "#net/address.ts";
import { identityKey } from "#types/identity.ts";

const KEY = "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";
const PEER = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";

test("host and port, with or without a key, in any kind of address", () => {
  const none = { peer: undefined };
  expect(parsePeerAddress("peer1:30303")).toEqual({ host: "peer1", port: 30303, ...none });
  expect(parsePeerAddress("[::1]:1")).toEqual({ host: "::1", port: 1, ...none });
  expect(parsePeerAddress(`${KEY}@10.0.0.1:65535`)).toEqual({
    host: "10.0.0.1",
    port: 65535,
    peer: identityKey(KEY),
  });
  expect(parsePeerAddress(`0x${KEY}@[fe80::1]:7`)).toEqual({
    host: "fe80::1",
    port: 7,
    peer: identityKey(KEY),
  });
  expect(parsePeerAddress("/ip4/10.0.0.1/tcp/30303")).toEqual({ host: "10.0.0.1", port: 30303, ...none });
  expect(parsePeerAddress("/dns6/a.example/tcp/1")).toEqual({ host: "a.example", port: 1, ...none });
});

test("a multiaddr's p2p id names its ed25519 key", () => {
  const { peer } = parsePeerAddress(`/ip6/::1/tcp/9/p2p/${PEER}`);
  expect(peer).toBe(identityKey(KEY));
});

test("everything else is refused with what to write instead", () => {
  const wrong = [
    "",
    ":1",
    "a:0",
    "a:65536",
    "a",
    "::1:30303",
    "zz@a:1",
    "/ip4/1.2.3.4/udp/1",
    "/ip4/1.2.3.4/tcp/x",
  ];
  wrong.push(
    "/ip4/1.2.3.4",
    "/ip4/1.2.3.4/tcp/1/p2p/Qm",
    `/ip4/1.2.3.4/tcp/1/ws/p2p/${PEER}`,
    "/unix/a/tcp/1",
  );
  for (const text of wrong) expect(() => parsePeerAddress(text)).toThrow();
});

test("an IPv6 address stands for its network however it is written, an IPv4 address for itself", () => {
  for (const [host, owner] of [
    ["10.0.0.1", "10.0.0.1"],
    ["[2001:db8::1]", "2001:db8:0:0"],
    ["2001:0DB8:0:0:ffff::", "2001:db8:0:0"],
    ["::", "0:0:0:0"],
    ["::1:2:3:4:5", "0:0:0:1"],
    ["1:2:3::", "1:2:3:0"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
    ["example.org", "example.org"],
  ] as const)
    expect(ownerOf(host)).toBe(owner);
  const group = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant(0), group), { minLength: 8, maxLength: 8 }), (groups) => {
      const whole = groups.map((each) => each.toString(16)).join(":");
      const short = new URL(`http://[${whole}]/`).hostname;
      const owner = groups.slice(0, 4).map((each) => each.toString(16));
      expect([ownerOf(whole), ownerOf(short)]).toEqual([owner.join(":"), owner.join(":")]);
    }),
  );
});
