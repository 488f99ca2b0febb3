import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { it } from 'mocha';
import type { NodeReport } from '../../src/doctor/report.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { onEachCni, type Cluster } from '../kernel/cluster.ts';
import type { Question } from '../support/questions.ts';
import { pods, policy, port } from '../kernel/policies.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const nodes = ['n1', 'n2'];

/** As Tailscale writes them into the tables of iptables since it speaks nftables itself: sets, maps and matches that iptables cannot show. */
const tailscale = ['ip', 'ip6']
  .map((family) => {
    const [peers, marked] = [
      family === 'ip' ? '100.64.0.0/10' : 'fd7a:115c:a1e0::/48',
      'meta mark & 0x00ff0000 == 0x00040000',
    ];
    return `table ${family} filter {
      set ts-peers { typeof ${family} saddr; flags interval; elements = { ${peers} }
      }
      map ts-ports { typeof meta l4proto . th dport : verdict; elements = { udp . 41641 : accept }
      }
      chain ts-forward {
        iifname "tailscale0" counter meta mark set meta mark & 0xff00ffff ^ 0x00040000
        ${marked} counter accept
        oifname "tailscale0" ${family} saddr @ts-peers counter drop
        oifname "tailscale0" counter accept
      }
      chain ts-input {
        iifname "lo" accept
        iifname != "tailscale0" ${family} saddr @ts-peers counter drop
        meta l4proto . th dport vmap @ts-ports
      }
      chain FORWARD { type filter hook forward priority 0; policy accept; jump ts-forward;
      }
      chain INPUT { type filter hook input priority 0; policy accept; jump ts-input;
      }
    }
    table ${family} nat {
      chain ts-postrouting { ${marked} counter masquerade
      }
      chain POSTROUTING { type nat hook postrouting priority 100; policy accept; jump ts-postrouting;
      }
    }`;
  })
  .join('\n');

/** More that only nft can say. */
const strange = `table inet strange {
  counter seen {
  }
  quota much { over 100000 mbytes
  }
  set met { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 1m; size 4096;
  }
  chain f { type filter hook forward priority -200; policy accept;
    counter name "seen"
    quota name "much" drop
  }
  chain p { type filter hook prerouting priority -310; policy accept;
    tcp flags syn add @met { ip saddr . tcp dport limit rate 100/second } counter
    meta mark set meta mark | 0x100
  }
}`;

const sysctls = ['net.ipv4.conf.all.src_valid_mark=1', 'net.ipv4.conf.all.rp_filter=1'];

const questions: readonly Question[] = [
  { from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
  { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
  { from: 'peers/far', to: 'x/p', port: 'UDP/5000', answer: 'timeout' },
  { from: 'others/stranger', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
  { from: 'x/p', to: 'peers/far', port: 'UDP/53', answer: 'peers/far' },
  { from: 'x/p', to: 'peers/near', port: 'TCP/80', answer: 'timeout' },
  { from: 'x/p', to: 'host/outside', port: 'TCP/80', answer: 'timeout' },
  { from: 'node/n1', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
  { from: 'node/n2', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
  { from: 'others/stranger', to: 'peers/near', port: 'TCP/80', answer: 'peers/near' },
];

onEachCni('rules of others that iptables cannot read (replay of Calico #13579, Cilium #48706)', (cluster) => {
  it('change no verdict and stop no agent, with src_valid_mark and rp_filter too; the doctor names what drops', async () => {
    const { lab } = cluster();
    const peers = pods({}, { team: 'peers' });
    await cluster().apply(
      policy('x', 'p', {
        ingress: [{ from: [peers], ports: [port('TCP/80')] }],
        egress: [{ to: [peers], ports: [port('UDP/53')] }],
      }),
    );
    await cluster().expect(questions);
    const before = await Promise.all(nodes.map((node) => lab.exec(`node/${node}`, 'sysctl', ...sysctls.map(nameOf))));
    try {
      for (const node of nodes) {
        await lab.exec(`node/${node}`, 'nft', `${tailscale}\n${strange}`);
        await lab.exec(`node/${node}`, 'sysctl', '-qw', ...sysctls);
      }
      await cluster().expect(questions);
      // One that starts finds its own rules among them, and goes on to write.
      for (const agent of lab.agents.values()) await agent.restart();
      await cluster().apply(policy('x', 'more', { ingress: [{ from: [peers], ports: [port('TCP/8080')] }] }));
      await cluster().expect([...questions, { from: 'peers/far', to: 'x/p', port: 'TCP/8080', answer: 'x/p' }]);

      const ofOthers = /^(foreign-|unreadable|masquerade|sysctl|flow-tables)/;
      const { findings } = await askDoctor(cluster());
      assert.deepEqual(
        findings.filter(({ check }) => ofOthers.test(check)),
        [],
      );
      // What surely drops is named.
      await lab.exec(
        'node/n1',
        'nft',
        'insert',
        'rule',
        'ip',
        'filter',
        'ts-forward',
        'ip',
        'saddr',
        cluster().address('x/p', 'ipv4'),
        'drop',
      );
      const after = await askDoctor(cluster());
      assert.deepEqual(
        after.findings.filter(({ check }) => ofOthers.test(check)).map(({ check, subject }) => `${check}: ${subject}`),
        ['foreign-drop: table ip filter'],
      );
    } finally {
      for (const [index, node] of nodes.entries()) {
        await lab.exec(
          `node/${node}`,
          'sysctl',
          '-qw',
          ...before[index]!.split('\n').map((line) => line.replaceAll(' ', '')),
        );
        for (const table of ['inet strange', 'ip filter', 'ip nat', 'ip6 filter', 'ip6 nat']) {
          await lab.exec(`node/${node}`, 'sh', '-c', `nft delete table ${table} 2>/dev/null || true`);
        }
      }
    }
  });
});

function nameOf(setting: string): string {
  return setting.split('=')[0]!;
}

/** On n1. */
async function askDoctor({ lab }: Cluster): Promise<NodeReport> {
  const directory = lab.state.nodeDirectory('n1');
  const where = [
    '--node-name',
    'n1',
    '--kubeconfig',
    join(directory, 'kubeconfig'),
    '--listen',
    `unix:${join(directory, 'agent.sock')}`,
  ];
  const line = [main, 'node', 'doctor', ...where, '-o', 'json'];
  const { stdout } = await execa(...enterNamespace(lab.names.node('n1'), process.execPath, line), { reject: false });
  return JSON.parse(stdout) as NodeReport;
}
