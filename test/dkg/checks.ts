// What has to hold after a simulated ceremony. Each check answers what is wrong, or nothing.
import type { CeremonyOutput } from "#crypto/dkg/output.ts";
import type { SharingScheme } from "#crypto/dkg/scheme.ts";
import { equalBytes, toHex, utf8 } from "#lib/bytes.ts";
import { decodeLogSet } from "#types/ceremony.ts";
import { maxFaulty, quorumOf } from "#types/quorum.ts";
import type { Rng } from "../support/rng.ts";
import type { Node, World } from "./world.ts";

const MESSAGE = utf8("a message");

/** A player's share by its index. */
export interface Held {
  readonly index: number;
  readonly share: Uint8Array;
}

const honestNodes = (world: World): Node[] => world.nodes.filter((node) => node.faulty === undefined);

/** Whether these shares together sign for the group. */
export function canSign(scheme: SharingScheme, output: CeremonyOutput, held: readonly Held[]): boolean {
  const partials = held.map(({ index, share }) => ({ index, partial: scheme.signPartial(share, MESSAGE) }));
  const signature = scheme.recover(partials);
  return signature !== undefined && scheme.verify(output.group, MESSAGE, signature);
}

/** Shares that honest players ended up with. */
export function sharesOf(world: World): Held[] {
  return honestNodes(world).flatMap((node) => {
    const index = node.ceremony?.rules.player;
    const share = node.result?.share;
    return index === undefined || share === undefined ? [] : [{ index, share }];
  });
}

/** All honest nodes that finish hold one key, and their shares are shares of it. */
export function checkAgreement(world: World, rng: Rng): string | undefined {
  const { scheme, info } = world.options;
  const finished = world.nodes.filter((node) => node.result !== undefined && !(node.faulty instanceof Set));
  const first = finished[0]?.result;
  if (first === undefined) return undefined;
  for (const node of finished) {
    const result = node.result as NonNullable<typeof node.result>;
    if (!equalBytes(result.output.digest, first.output.digest))
      return `node ${node.member} holds another output`;
    if (!equalBytes(result.output.publicKey, first.output.publicKey))
      return `node ${node.member} holds another key`;
    if (result.confirms.length !== quorumOf(info.players.length)) return "confirmed by another number than q";
    const trial = node.ceremony?.rules.domain.trial(result.output.digest);
    const signature = scheme.recover(
      result.confirms.map(({ player, partial }) => ({ index: player, partial })),
    );
    if (
      trial === undefined ||
      signature === undefined ||
      !scheme.verify(first.output.group, trial, signature)
    ) {
      return "the trial signature is wrong";
    }
    const player = node.ceremony?.rules.player;
    if (player === undefined) continue;
    if (result.share === undefined) return `player ${player} has no share`;
    if (!scheme.isShare(result.output.group, player, result.share))
      return `share ${player} is off the polynomial`;
  }
  if (first.output.group.points.length !== quorumOf(info.players.length)) return "the degree is wrong";
  const held = rng.shuffle(sharesOf(world));
  const q = quorumOf(info.players.length);
  if (held.length >= q && !canSign(scheme, first.output, held.slice(0, q))) return "q shares do not sign";
  if (q > 1 && canSign(scheme, first.output, held.slice(0, q - 1))) return "q - 1 shares sign";
  return undefined;
}

/** Exposed are exactly those whom more than f of the agreed logs reveal. */
export function checkExposure(world: World): string | undefined {
  const result = honestNodes(world).find((node) => node.result !== undefined)?.result;
  if (result === undefined || world.agreed === undefined) return undefined;
  const logs = decodeLogSet(world.agreed);
  const f = maxFaulty(world.options.info.dealers.length);
  const expected = world.options.info.players
    .map((_, player) => player)
    .filter((player) => logs.filter((log) => log.entries[player]?.kind === "reveal").length > f);
  return expected.join() === result.output.exposed.join()
    ? undefined
    : `exposed ${result.output.exposed}, not ${expected}`;
}

/**
 * No f nodes know the key, whatever was revealed: a polynomial of q coefficients is known to those who know q of its
 * values or dealt it; the key follows only from all the agreed polynomials.
 */
export function checkSecrecy(world: World, rng: Rng): string | undefined {
  if (world.agreed === undefined) return undefined;
  const { info } = world.options;
  const q = quorumOf(info.players.length);
  const bad = world.nodes.filter((node) => node.faulty !== undefined);
  const keys = (limit: number, of: readonly Uint8Array[]): Set<string> => {
    const own = bad.map((node) => toHex(node.key)).filter((key) => of.some((other) => toHex(other) === key));
    const rest = rng.shuffle(of.map(toHex).filter((key) => !own.includes(key)));
    return new Set([...own, ...rest].slice(0, Math.max(limit, own.length)));
  };
  const dealers = keys(maxFaulty(info.dealers.length), info.dealers);
  const players = keys(maxFaulty(info.players.length), info.players);
  const inside = new Set(info.players.flatMap((key, index) => (players.has(toHex(key)) ? [index] : [])));
  const open = decodeLogSet(world.agreed).filter((log) => {
    if (dealers.has(toHex(info.dealers[log.dealer] as Uint8Array))) return true;
    const known = new Set([...inside, ...(world.reveals.get(toHex(log.commitment)) ?? [])]);
    return known.size >= q;
  });
  const all = decodeLogSet(world.agreed).length;
  return open.length === all ? `f nodes know all ${all} agreed polynomials` : undefined;
}

/** A reshare keeps the key, and shares of the two committees do not sign together. */
export function checkReshare(old: World, fresh: World, rng: Rng): string | undefined {
  const before = honestNodes(old).find((node) => node.result !== undefined)?.result;
  const after = honestNodes(fresh).find((node) => node.result !== undefined)?.result;
  if (before === undefined || after === undefined) return undefined;
  if (!equalBytes(before.output.publicKey, after.output.publicKey)) return "the group key changed";
  const q = quorumOf(fresh.options.info.players.length);
  if (q < 2) return undefined;
  const news = rng.shuffle(sharesOf(fresh)).slice(0, q - 1);
  const used = new Set(news.map((held) => held.index));
  const olds = rng.shuffle(sharesOf(old)).filter((held) => !used.has(held.index));
  const mixed = [...news, ...olds].slice(0, q);
  if (mixed.length === q && canSign(fresh.options.scheme, after.output, mixed))
    return "old and new shares sign together";
  return undefined;
}
