import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { before, describe, it } from 'mocha';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

describe('postern boot-unit', () => {
  let lines: readonly string[];
  before(async () => {
    const { stdout } = await execa(process.execPath, [main, 'boot-unit', '--pod-cidr', '10.244.1.0/24']);
    lines = stdout.split('\n');
  });

  it('prints rules that systemd passes to nft unchanged', () => {
    const rules = lines.filter((line) => line.startsWith('StandardInputText='));
    assert.ok(rules.includes('StandardInputText=ip daddr 10.244.1.0/24 goto gate'));
    // In systemd, an empty line deletes the lines above it, and `%` and `\` are special.
    assert.deepEqual(
      rules.filter((line) => /=$|[%\\]/.test(line)),
      [],
    );
  });

  it('runs before the services that start pods, and depends on no unit that may wait for it', () => {
    const [before] = lines.filter((line) => line.startsWith('Before='));
    for (const name of ['kubelet', 'k3s', 'k3s-agent', 'containerd']) assert.ok(before!.includes(`${name}.service`));
    assert.doesNotMatch(before!, /\.target/);
    assert.deepEqual(
      lines.filter((line) => /^(After|Requires|Wants|BindsTo)=/.test(line)),
      ['After=nftables.service'],
    );
  });
});
