// kora_getProof from the compiled binary, verified here with nothing but hashes: now, at an older block, and absence.
import { expect, test } from "bun:test";
import { encodeAbiParameters, encodeDeployData, encodeFunctionData, keccak256 } from "viem";
import { fromHex } from "#lib/bytes.ts";
import { decodeProof, verifyState } from "#state/verify.ts";
import { address, hash } from "#types/ids.ts";
import { contracts } from "../support/contracts.ts";
import { rpc, startKora } from "../support/kora.ts";

const { abi, bytecode } = contracts["probe"]!;

test("a proof of an account and its slots holds under the head's header, and says what the node says", async () => {
  await using kora = await startKora(["dev", "--port", "0", "--silent"]);
  const ask = async (method: string, ...params: unknown[]) => {
    const { result, error } = await rpc(kora.url, method, params);
    if (error !== undefined) throw new Error(error.message);
    return result;
  };
  const [from] = await ask("eth_accounts");
  const created = await ask("eth_sendTransaction", { from, data: encodeDeployData({ abi, bytecode }) });
  const to = (await ask("eth_getTransactionReceipt", created)).contractAddress;
  const store = (key: bigint, value: bigint) =>
    ask("eth_sendTransaction", {
      from,
      to,
      data: encodeFunctionData({ abi, functionName: "store", args: [key, value] }),
    });
  const slotOf = (key: bigint) =>
    keccak256(encodeAbiParameters([{ type: "uint256" }, { type: "uint256" }], [key, 0n]));
  await store(1n, 10n);
  const early = await ask("eth_blockNumber");
  await store(1n, 11n);
  await store(2n, 20n);

  const check = async (block: string, slots: string[], expected: bigint[]) => {
    const answer = await ask("kora_getProof", to, slots, block);
    const { anchor } = answer;
    expect(keccak256(anchor.header)).toBe(anchor.hash);
    expect(anchor.hash).toBe((await ask("eth_getBlockByNumber", anchor.number, false)).hash);
    expect(anchor.header).toContain(anchor.stateRoot.slice(2));
    const proof = decodeProof(fromHex(answer.proof));
    const asked = slots.map((slot) => hash(slot));
    const height = answer.blockNumber === anchor.number ? undefined : Number(answer.blockNumber);
    const proven = verifyState(hash(anchor.stateRoot), address(to), asked, proof, height);
    const values = proven.slots.map((value) => BigInt(`0x0${value.toHex()}`));
    expect(values).toEqual(expected);
    expect(proven.account?.codeHash).toBe(answer.account.codeHash);
    expect(proven.account?.balance).toBe(BigInt(answer.account.balance));
    const damaged = fromHex(answer.proof);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1;
    expect(() =>
      verifyState(hash(anchor.stateRoot), address(to), asked, decodeProof(damaged), height),
    ).toThrow();
  };
  await check("latest", [slotOf(1n), slotOf(2n), slotOf(3n)], [11n, 20n, 0n]);
  await check(early, [slotOf(1n), slotOf(2n)], [10n, 0n]);

  const nobody = "0x00000000000000000000000000000000000000ff";
  const absent = await ask("kora_getProof", nobody, [], "latest");
  expect(absent.account).toBeNull();
  const proof = decodeProof(fromHex(absent.proof));
  expect(verifyState(hash(absent.anchor.stateRoot), address(nobody), [], proof).account).toBeUndefined();
}, 60_000);
