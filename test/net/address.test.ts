// Addresses of peers in every form an operator may write.
import { expect, test } from "bun:test";
import { parsePeerAddress } from "#net/address.ts";
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
