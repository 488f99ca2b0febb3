import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { needMachine } from '../kernel/cluster.ts';
import { newToken } from '../kernel/ear.ts';
import { eventually } from '../kernel/eventually.ts';
import { AttackLab } from './attack-lab.ts';
import type { EarName } from './attack-lab.ts';
import { nameLab } from '../support/lab-name.ts';

export interface Scene {
  readonly attacks: AttackLab;
  readonly family: Family;
  readonly cni: LabCni;
  /** Stands in the packet, for those who hear it. */
  readonly text: string;
  /** Of an attack that needs other policies: what a test does while they are in force. */
  readonly around?: (use: () => Promise<void>) => Promise<void>;
}

export interface Attack {
  readonly name: string;
  readonly plugins?: readonly LabCni[];
  readonly of?: readonly Family[];
  /** Who must not hear it. */
  readonly ear: EarName;
  /** Sends the text to the ear against the policies. May return whether it got what it wanted, where nothing is to be heard. */
  readonly attempt: (scene: Scene) => Promise<boolean | void>;
  /** Sends the text to the same ear as the policies allow: it arrives. */
  readonly honest: (scene: Scene) => Promise<void>;
  /** Why the kernel stops it by itself, so that it fails also where nobody enforces a policy. */
  readonly futile?: string;
}

/** Labs in which agents enforce, and labs without agents in which the same packets must get through. */
const running = new Map<string, Promise<AttackLab>>();

function labOf(cni: LabCni, isEnforced: boolean): Promise<AttackLab> {
  const name = nameLab(`att${cni}${isEnforced ? '' : 'bare'}`);
  const options = { name, cni, uplink: 'vxlan', network: 'vxlan', agents: isEnforced ? {} : false } as const;
  if (!running.has(name)) running.set(name, AttackLab.open(options));
  return running.get(name)!;
}

/** Declares each attack on each plugin and family, with and without agents. Files share the labs. */
export function declareAttacks(title: string, declared: readonly Attack[]): void {
  for (const cni of labCnis) {
    const chosen = declared.filter(({ plugins = labCnis }) => plugins.includes(cni));
    if (chosen.length === 0) continue;
    for (const isEnforced of [true, false]) {
      onLab(`${title}${isEnforced ? '' : ', without agents'}`, { cni, isEnforced }, (attacks) => {
        for (const attack of chosen) {
          for (const family of attack.of ?? families) {
            const passes = !isEnforced && attack.futile === undefined;
            it(`${attack.name}, ${family}: ${passes ? 'succeeds' : 'fails'}`, async () => {
              await carryOut(attack, { attacks: attacks(), family, cni }, passes);
            });
          }
        }
      });
    }
  }
}

/** Declares tests of one's own on a lab that files share. What they change, they change back. */
export function onLab(
  title: string,
  { cni, isEnforced }: { readonly cni: LabCni; readonly isEnforced: boolean },
  declare: (attacks: () => AttackLab) => void,
): void {
  describe(`attack: ${title} (kernel, ${cni})`, function () {
    this.timeout(180_000);
    let attacks: AttackLab;
    before(async function () {
      await needMachine(this, cni);
      attacks = await labOf(cni, isEnforced);
    });
    declare(() => attacks);
  });
}

export async function carryOut(
  { ear, attempt, honest }: Attack,
  scene: Omit<Scene, 'text'>,
  passes: boolean,
): Promise<void> {
  const { attacks } = scene;
  const [forged, fair] = [newToken(), newToken()];
  await attacks.listen(ear);
  const result = await attempt({ ...scene, text: `<${forged}>` });
  const succeeded = (): boolean => result === true || attacks.heard(ear, forged);
  await honest({ ...scene, text: `<${fair}>` });
  await attacks.hears(ear, fair);
  if (passes) await eventually(async () => (succeeded() ? undefined : 'it has not got through'));
  assert.equal(succeeded(), passes, passes ? undefined : 'it has got through');
}

after(async () => {
  await Promise.all([...running.values()].map(async (attacks) => (await attacks).close()));
});
