// The Byzantine behaviours of the mix, by name; each is a small file beside this one.
import { badPartial } from "./bad-partial.ts";
import { badProposer } from "./bad-proposer.ts";
import { conflicter } from "./conflicter.ts";
import { equivocator } from "./equivocator.ts";
import { flooder } from "./flooder.ts";
import { impersonator } from "./impersonator.ts";
import { invalidSignatures } from "./invalid-signatures.ts";
import { nuller } from "./nuller.ts";
import { nullifyOnly } from "./nullify-only.ts";
import { outdated } from "./outdated.ts";
import { recycler } from "./recycler.ts";
import { relabeler } from "./relabeler.ts";
import { twins } from "./twins.ts";
import type { Adversary } from "./types.ts";
import { usurper } from "./usurper.ts";
import { withholder } from "./withholder.ts";
import { wrongEpoch } from "./wrong-epoch.ts";

export const ADVERSARIES: Readonly<Record<string, Adversary>> = {
  badPartial,
  badProposer,
  conflicter,
  equivocator,
  flooder,
  impersonator,
  invalidSignatures,
  nuller,
  nullifyOnly,
  outdated,
  recycler,
  relabeler,
  twins,
  usurper,
  withholder,
  wrongEpoch,
};

export const ADVERSARY_NAMES: readonly string[] = Object.keys(ADVERSARIES);
