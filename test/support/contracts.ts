// Real contracts for tests: published artifacts from npm packages, and a few compiled here with the npm solc.
// What was compiled is kept in an ignored folder, by the hash of its input.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { multicall3Abi } from "viem";

const ROOT = resolve(import.meta.dir, "../..");
const CACHE = join(ROOT, "build/contracts");
const modulePath = (path: string): string => join(ROOT, "node_modules", path);

export interface Artifact {
  // biome-ignore lint/suspicious/noExplicitAny: ABIs differ per contract, and the clients under test check them
  readonly abi: any;
  readonly bytecode: `0x${string}`;
}

function published(path: string): Artifact {
  const json = JSON.parse(readFileSync(modulePath(path), "utf8"));
  const code: string = typeof json.bytecode === "string" ? json.bytecode : json.evm.bytecode.object;
  return { abi: json.abi, bytecode: code.startsWith("0x") ? (code as `0x${string}`) : `0x${code}` };
}

const SOURCES: Record<string, string> = {
  "Coin.sol": `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;
import "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
contract Coin is ERC20, ERC20Permit {
  constructor() ERC20("Coin", "COIN") ERC20Permit("Coin") { _mint(msg.sender, 1e24); }
}`,
  "Art.sol": `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;
import "@openzeppelin/contracts/token/ERC721/ERC721.sol";
contract Art is ERC721 {
  uint256 private next;
  constructor() ERC721("Art", "ART") {}
  function mint(address to) external returns (uint256 id) { id = ++next; _safeMint(to, id); }
}`,
  "Probe.sol": `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;
contract Probe {
  error TooLow(uint256 given, uint256 least);
  event Stored(address indexed by, uint256 indexed key, uint256 value);
  mapping(uint256 => uint256) public stored;
  uint256[] public filled;
  function store(uint256 key, uint256 value) external { stored[key] = value; emit Stored(msg.sender, key, value); }
  function failWithReason() external pure { require(false, "for a reason"); }
  function failWithError(uint256 given) external pure { revert TooLow(given, 10); }
  function failWithPanic(uint256 by) external pure returns (uint256) { return 1 / by; }
  function recurse(uint256 left) external returns (uint256) { return left == 0 ? 0 : 1 + this.recurse(left - 1); }
  function spin() external pure { while (true) {} }
  function whoAmI() external view returns (address, uint256) { return (address(this), msg.sender.balance); }
  function randao() external view returns (uint256) { return block.prevrandao; }
  receive() external payable {}
}`,
};

type Compiled = Record<string, Artifact>;

function compile(): Compiled {
  const require = createRequire(import.meta.url);
  const solc = require("solc");
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(Object.entries(SOURCES).map(([name, content]) => [name, { content }])),
    settings: {
      evmVersion: "prague",
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const load = (path: string) => ({ contents: readFileSync(modulePath(path), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  const errors = (output.errors ?? []).filter((one: { severity: string }) => one.severity === "error");
  if (errors.length > 0) throw new Error(errors[0].formattedMessage);
  const found: Compiled = {};
  type Output = Record<string, { abi: unknown; evm: { bytecode: { object: string } } }>;
  for (const file of Object.keys(SOURCES)) {
    for (const [name, contract] of Object.entries(output.contracts[file] as Output)) {
      found[name] = { abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` };
    }
  }
  return found;
}

function compiled(): Compiled {
  const packages = readFileSync(modulePath("@openzeppelin/contracts/package.json"), "utf8");
  const key = Bun.hash(JSON.stringify([SOURCES, JSON.parse(packages).version])).toString(16);
  const path = join(CACHE, `${key}.json`);
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    const found = compile();
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(`${path}.${process.pid}`, JSON.stringify(found));
    renameSync(`${path}.${process.pid}`, path);
    return found;
  }
}

const own = compiled();

function ownArtifact(name: string): Artifact {
  const found = own[name];
  if (found === undefined) throw new Error(`no contract ${name}`);
  return found;
}

/** viem carries the creation code for its deployless calls, without exporting it. */
const { multicall3Bytecode } = await import(modulePath("viem/_esm/constants/contracts.js"));

const V2 = "@uniswap/v2-periphery/build";
const SAFE = "@safe-global/safe-smart-account/build/artifacts/contracts";
const V3 = "@uniswap/v3-core/artifacts/contracts";

export const contracts: Readonly<Record<string, Artifact>> = {
  weth: published(`${V2}/WETH9.json`),
  uniswapV2Factory: published("@uniswap/v2-core/build/UniswapV2Factory.json"),
  uniswapV2Pair: published("@uniswap/v2-core/build/UniswapV2Pair.json"),
  uniswapV2Router: published(`${V2}/UniswapV2Router02.json`),
  uniswapV3Factory: published(`${V3}/UniswapV3Factory.sol/UniswapV3Factory.json`),
  uniswapV3Pool: published(`${V3}/UniswapV3Pool.sol/UniswapV3Pool.json`),
  safe: published(`${SAFE}/Safe.sol/Safe.json`),
  safeFactory: published(`${SAFE}/proxies/SafeProxyFactory.sol/SafeProxyFactory.json`),
  multicall: { abi: multicall3Abi, bytecode: multicall3Bytecode },
  coin: ownArtifact("Coin"),
  art: ownArtifact("Art"),
  probe: ownArtifact("Probe"),
};
