import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import type { Finding } from '../../../src/doctor/finding.ts';
import { eventually } from '../../kernel/eventually.ts';
import { hastyApiServer, nameCache } from '../../support/fault-programs.ts';
import { addresses, DoctorNode, policy, type AskOptions } from './doctor-node.ts';

/** Faults that are made on the node for real. The others have recorded answers in test/doctor. */
describe('postern node doctor', function () {
  this.timeout(180_000);
  let node: DoctorNode;
  let undo: (() => Promise<unknown>)[] = [];

  before(async function () {
    node = await DoctorNode.open(this);
  });
  afterEach(async () => {
    for (const each of undo.toReversed()) await each();
    undo = [];
  });
  after(() => node?.close());

  const make = async (fault: string, mend: string): Promise<void> => {
    undo.push(() => node.sh(mend));
    await node.sh(fault);
  };
  const tables = (text: string): Promise<void> =>
    make(`nft -f - <<'end'\n${text}\nend`, 'nft delete table inet theirs');
  /** The one finding that there is. */
  const theOnly = async (options?: AskOptions): Promise<Finding> => {
    const { findings, exitCode } = await node.ask(options);
    assert.equal(findings.length, 1, JSON.stringify(findings, undefined, 2));
    assert.equal(exitCode, 1);
    return findings[0]!;
  };

  it('finds nothing on a healthy node', async () => {
    const { findings, unknown, exitCode, node: name, nft } = await node.ask();
    assert.deepEqual(findings, []);
    assert.deepEqual(unknown, ['the mode of kube-proxy: connect ECONNREFUSED 127.0.0.1:10249']);
    assert.deepEqual([exitCode, name, nft.startsWith('1.')], [0, 'n1', true]);
  });

  it('prints text', async () => {
    await make('iptables-nft -P FORWARD DROP', 'iptables-nft -P FORWARD ACCEPT');
    const { stdout, exitCode } = await node.run([]);
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      /^warning: table ip filter \(foreign-drop\)\n  wrong    chain FORWARD \(forward, priority 0\): policy drop; /m,
    );
    assert.match(stdout, /\n  do       configure that program .*\n/);
    assert.match(stdout, /\nnode n1: 1 finding$/);
  });

  it('finds a table that drops at our hook, by its chain and rule', async () => {
    await tables(`table inet theirs {
      chain inner { ip saddr ${addresses.a} reject
      }
      chain f { type filter hook forward priority 10; policy accept;
        ct state established,related accept
        iifname "veth-a" jump inner
      }
    }`);
    const { check, severity, subject, problem, pods } = await theOnly();
    assert.deepEqual([check, severity, subject], ['foreign-drop', 'warning', 'table inet theirs']);
    assert.match(problem, /^chain inner, rule with handle [0-9]+: reject; it matches packets from 10\.244\.1\.2 to /);
    assert.deepEqual(pods, ['shop/a', 'shop/b']);
  });

  it("finds Docker's policy of FORWARD behind what kube-proxy lets pass", async () => {
    const rules = [
      'FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
      'FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES',
      'FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'FORWARD -i docker0 ! -o docker0 -j ACCEPT',
      'KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
      'KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT',
      'KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'KUBE-SERVICES -d 10.96.0.9/32 -p tcp -m tcp --dport 80 -j REJECT',
    ];
    const all = ['-N KUBE-FORWARD', '-N KUBE-SERVICES', ...rules.map((rule) => `-A ${rule}`), '-P FORWARD DROP'];
    const script = all.map((each) => `iptables-nft ${each}`).join('\n');
    await make(script, 'iptables-nft -P FORWARD ACCEPT; iptables-nft -F; iptables-nft -X');
    const { check, problem } = await theOnly();
    assert.match(`${check}: ${problem}`, /^foreign-drop: chain FORWARD \(forward, priority 0\): policy drop; /);
    // As kubeadm's documents require, or as a network plugin sets it.
    await node.sh('iptables-nft -I FORWARD -s 10.244.0.0/16 -j ACCEPT');
    assert.deepEqual((await node.ask()).findings, []);
  });

  it('reports neither an accept in another table nor a drop of packets that are not between pods', async () => {
    await tables(`table inet theirs {
      map m { typeof iifname : verdict; elements = { "lo" : drop }
      }
      chain f { type filter hook forward priority -200; policy drop;
        ct state invalid drop
        iifname "eth0" drop
        ip saddr { 192.0.2.0/24, 198.51.100.1-198.51.100.9 } drop
        ip saddr 10.244.0.0/16 accept
      }
      chain p { type filter hook prerouting priority -300; policy accept;
        accept
      }
    }`);
    assert.deepEqual((await node.ask()).findings, []);
  });

  it('does not report effects that depend on unknown conditions', async () => {
    await tables(`table inet theirs {
      set s { typeof ip saddr; elements = { ${addresses.a} }
      }
      map m { typeof iifname : verdict; elements = { "veth-a" : drop }
      }
      chain f { type filter hook forward priority 10; policy accept;
        ip saddr @s drop
        iifname vmap @m
        tcp dport 80 reject
        limit rate 1/second drop
        numgen random mod 2 == 0 drop
      }
    }`);
    assert.deepEqual((await node.ask()).findings, []);
  });

  it('finds a masquerade of packets from pods to pods of other nodes (S6.6)', async () => {
    const rule = 'POSTROUTING -s 10.244.1.0/24 ! -d 10.244.1.0/24';
    await make(`iptables-nft -t nat -A ${rule} -j MASQUERADE`, `iptables-nft -t nat -D ${rule} -j MASQUERADE`);
    const { check, severity, subject, problem, pods } = await theOnly();
    assert.deepEqual([check, severity, subject], ['masquerade', 'error', 'table ip nat']);
    assert.match(problem, /^chain POSTROUTING \(postrouting, priority 100\), .*: MASQUERADE; .* 10\.244\.2\.2/);
    assert.deepEqual(pods, ['shop/a', 'shop/b', 'shop/c']);
  });

  it('does not report a masquerade that excludes the pods of the cluster, or that matches the mark of Services', async () => {
    const rules = ['-s 10.244.1.0/24 ! -d 10.244.0.0/16', '-m mark --mark 0x4000/0x4000'];
    for (const rule of rules) {
      const whole = `POSTROUTING ${rule} -j MASQUERADE`;
      await make(`iptables-nft -t nat -A ${whole}`, `iptables-nft -t nat -D ${whole}`);
    }
    assert.deepEqual((await node.ask()).findings, []);
  });

  it('finds rules that redirect packets of pods', async () => {
    await tables(`table inet theirs {
      chain p { type nat hook prerouting priority dstnat;
        meta l4proto { udp } ip saddr ${addresses.b} redirect to :15001
        meta l4proto { tcp } ip saddr ${addresses.a} redirect to :15001
        iifname "veth-c" drop
        ip saddr ${addresses.b} dnat ip to 192.0.2.7
      }
    }`);
    // The doctor follows TCP packets.
    const { findings } = await node.ask();
    const found = findings.map(({ check, severity, policies, problem }) => {
      return [check, severity, policies, /: ([a-z]+); it matches packets from ([0-9.]+) /.exec(problem)?.slice(1)];
    });
    assert.deepEqual(found, [
      ['foreign-divert', 'error', ['shop/both-ways'], ['redirect', addresses.a]],
      ['foreign-divert', 'error', ['shop/inwards'], ['dnat', addresses.b]],
    ]);
  });

  it('finds rules that queue packets for a process, and rules that exempt packets from conntrack', async () => {
    await make('iptables-nft -A FORWARD -j NFQUEUE --queue-num 7', 'iptables-nft -D FORWARD -j NFQUEUE --queue-num 7');
    assert.deepEqual((await theOnly()).check, 'foreign-queue');
    await undo.pop()!();
    await tables(`table inet theirs {
      chain p { type filter hook prerouting priority raw; policy accept;
        ip daddr 10.244.0.0/16 notrack
      }
    }`);
    const { check, policies } = await theOnly();
    assert.deepEqual([check, policies], ['foreign-untrack', ['shop/both-ways', 'shop/inwards']]);
  });

  it('detects another program that enforces policies by its chains', async () => {
    await make('iptables-nft -N cali-FORWARD', 'iptables-nft -X cali-FORWARD');
    const { check, problem } = await theOnly();
    assert.deepEqual([check, problem], ['other-engine', 'Calico has rules here, for example in chain cali-FORWARD']);
  });

  for (const [how, script, problem] of [
    ['crashes', 'kill -SEGV $$', /^nft was ended by SIGSEGV: a newer nft may have written/],
    ['hangs', 'exec sleep 600', /^nft did not end within 10 s: /],
    ['fails', 'echo "Error: syntax" >&2; exit 1', /^nft failed: Error: syntax: /],
    ['does not stop', 'exec yes', /^nft listed more than 64 MB: /],
    ['says nonsense', 'echo nonsense', /^the output of nft is not JSON: "nonsense/],
  ] as const) {
    it(`continues if nft ${how} on a table of another program, and reports it`, async () => {
      await tables('table inet theirs { chain x { }\n}');
      await make('iptables-nft -P FORWARD DROP', 'iptables-nft -P FORWARD ACCEPT');
      const real = (await node.sh('command -v nft')).trim();
      const path = await node.program('nft', `case "$*" in *theirs) ${script};; *) exec ${real} "$@";; esac`);
      const { findings } = await node.ask({ path });
      const found = findings.find(({ check }) => check === 'unreadable-rules');
      assert.match(found?.problem ?? JSON.stringify(findings), problem);
      assert.equal(found?.subject, 'table inet theirs');
      assert.deepEqual(findings.map(({ check }) => check).sort(), ['foreign-drop', 'unreadable-rules']);
    });
  }

  it('passes no name to nft that nft would read as a script', async () => {
    const real = (await node.sh('command -v nft')).trim();
    const listing = '{"nftables": [{"table": {"family": "ip", "name": "x; flush ruleset"}}]}';
    const path = await node.program(
      'nft',
      `case "$*" in *"list tables") echo '${listing}';; *) exec ${real} "$@";; esac`,
    );
    const { check, subject, problem } = await theOnly({ path });
    assert.deepEqual([check, subject], ['unreadable-rules', 'table ip x; flush ruleset']);
    assert.match(problem, /^nft cannot take this name as an argument/);
    assert.match(await node.sh('nft list tables'), /table ip postern\ntable ip6 postern/);
  });

  it('reports that nft is missing, too old, or not permitted', async () => {
    const missing = await node.program('nft', 'exit 127');
    const checks = async (options: AskOptions): Promise<string[]> => {
      return (await node.ask(options)).findings.map(({ check, problem }) => `${check}: ${problem}`);
    };
    assert.match((await checks({ path: missing }))[0]!, /^nft: nft printed no version/);
    const old = await node.program('nft', 'echo "nftables v0.9.8 (x)"');
    assert.match((await checks({ path: old }))[0]!, /^nft: nft 0\.9\.8 is too old: install/);
    const denied = await checks({
      path: await node.program(
        'nft',
        `exec setpriv --reuid 65534 --clear-groups --inh-caps=-all ${(await node.sh('command -v nft')).trim()} "$@"`,
      ),
    });
    assert.match(denied[0]!, /^nf-tables: nf_tables: not permitted: run as root, or with CAP_NET_ADMIN/);
  });

  it('finds the bridge whose packets bypass the rules, and the affected pods and policies', async () => {
    const name = 'net.bridge.bridge-nf-call-iptables';
    await make(`sysctl -qw ${name}=0`, `sysctl -qw ${name}=1`);
    const { findings } = await node.ask();
    const found = findings.find(({ check }) => check === 'bridge-netfilter');
    assert.equal(found?.subject, 'bridge cni0');
    assert.match(found.problem, /^IPv4 between pods on bridge cni0 bypasses all policies: .*; run: sysctl -w /);
    assert.deepEqual([found.pods, found.policies], [['shop/c'], ['shop/inwards']]);
    // The agent, too, when it looks; not twice in two ways.
    assert.deepEqual(findings.length, 1);
  });

  it('finds IPVS by its traces on the node, and by the mode that kube-proxy reports', async () => {
    const answer = `require('node:http').createServer((q, r) => r.end(q.url === '/proxyMode' ? process.argv[1] : '')).listen(10249, '127.0.0.1', () => console.log('ready'))`;
    undo.push(await node.start(process.execPath, ['-e', answer, 'iptables']));
    assert.deepEqual((await node.ask()).unknown, []);
    assert.deepEqual((await node.ask()).findings, []);
    await undo.pop()!();
    undo.push(await node.start(process.execPath, ['-e', answer, 'ipvs']));
    assert.equal((await theOnly()).problem, 'kube-proxy reports mode "ipvs"');
    await make('ip link add kube-ipvs0 type ifb; ip address add 10.96.0.1/32 dev kube-ipvs0', 'ip link del kube-ipvs0');
    const { check, problem } = await theOnly();
    assert.match(`${check}: ${problem}`, /^service-proxy: kube-proxy's IPVS mode \(device kube-ipvs0\)/);
  });

  it('finds wrong sysctls', async () => {
    await make('sysctl -qw net.ipv4.ip_forward=0', 'sysctl -qw net.ipv4.ip_forward=1');
    const loose = 'net.netfilter.nf_conntrack_tcp_loose';
    await make(`sysctl -qw ${loose}=0`, `sysctl -qw ${loose}=1`);
    const { findings } = await node.ask();
    assert.deepEqual(
      findings.map(({ subject, problem }) => `${subject}: ${problem}`),
      ['sysctl net.ipv4.ip_forward: it is 0', `sysctl ${loose}: it is 0`],
    );
  });

  it('finds a nearly full conntrack table', async () => {
    const add = 'conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --dport 9 -t 300 --sport';
    await make(`for i in $(seq 300); do ${add} $i >/dev/null 2>&1; done`, 'conntrack -F 2>/dev/null');
    /** The maximum is global to the machine, so the test shows the doctor another file. */
    const filled = (percent: number): string =>
      `f=/tmp/postern-max-$$ d=/proc/sys/net/netfilter; n=$(cat $d/nf_conntrack_count); echo $((n * 100 / ${percent})) > $f; mount --bind $f $d/nf_conntrack_max; rm $f`;
    const { check, severity, problem } = await theOnly({ shell: filled(86) });
    assert.deepEqual([check, severity], ['conntrack-full', 'warning']);
    assert.match(problem, /^[0-9]{3} of [0-9]{3} entries are in use \(8[4-8] %\)$/);
    assert.equal((await theOnly({ shell: filled(98) })).severity, 'error');
    assert.deepEqual((await node.ask({ shell: filled(70) })).findings, []);
  });

  it('finds a connection to a Service that conntrack maps to a pod that is gone (replay of kubernetes #125467)', async () => {
    const map = (from: string, to: string, port: number): string =>
      `conntrack -I -p udp -t 300 -s ${from} -d 10.96.0.10 --sport ${port} --dport 53 -r ${to} -q ${from} --reply-port-src 5353 --reply-port-dst ${port} >/dev/null`;
    // Connections to existing pods, on this and the other node, and to an address outside the pod ranges: no finding.
    await make(
      [
        map(addresses.a, addresses.b, 4001),
        map(addresses.a, addresses.remote, 4002),
        map(addresses.a, '192.0.2.9', 4003),
      ].join('\n'),
      'conntrack -F 2>/dev/null',
    );
    assert.deepEqual((await node.ask()).findings, []);

    await node.sh(
      [
        map(addresses.a, '10.244.1.77', 4004),
        map(addresses.b, '10.244.1.77', 4005),
        map(addresses.a, '10.244.2.77', 4006),
      ].join('\n'),
    );
    const { findings, exitCode } = await node.ask();
    assert.equal(exitCode, 1);
    assert.deepEqual(
      findings
        .map(({ check, severity, subject, problem }) => `${check}, ${severity}: ${subject}: ${problem}`)
        .toSorted(),
      [
        'conntrack-stale, warning: address 10.244.1.77: conntrack maps 2 connections to 10.96.0.10:53 to this address, but its pod is gone',
        'conntrack-stale, warning: address 10.244.2.77: conntrack maps a connection to 10.96.0.10:53 to this address, but its pod is gone',
      ],
    );
  });

  it('finds a DNS cache of the node that the rules in the kernel deny to pods', async () => {
    await make(
      'ip link add nodelocaldns type ifb; ip address add 169.254.20.10/32 dev nodelocaldns; ip link set nodelocaldns up',
      'ip link del nodelocaldns',
    );
    undo.push(await node.start(process.execPath, ['-e', nameCache]));
    const { check, subject, pods, policies } = await theOnly();
    assert.deepEqual([check, subject], ['node-local-dns', 'DNS at 169.254.20.10']);
    assert.deepEqual([pods, policies], [['shop/a'], ['shop/both-ways']]);
    policy(node.store, 'dns', {
      podSelector: { matchLabels: { name: 'a' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ ipBlock: { cidr: '169.254.20.10/32' } }], ports: [{ protocol: 'UDP', port: 53 }] }],
    });
    undo.push(async () => node.store.delete('networkpolicies', { namespace: 'shop', name: 'dns' }));
    await eventually(async () => {
      const { findings } = await node.ask();
      return findings.length === 0 ? undefined : JSON.stringify(findings);
    });
  });

  it('finds pods with the same address, and an additional network of a pod that a policy selects', async () => {
    node.addPod('twin', addresses.b);
    undo.push(async () => node.store.delete('pods', { namespace: 'shop', name: 'twin' }, { gracePeriodSeconds: 0 }));
    const file = join(node.cache, 'storage-0123-net1');
    const args = [
      ['K8S_POD_NAMESPACE', 'shop'],
      ['K8S_POD_NAME', 'c'],
    ];
    await writeFile(
      file,
      JSON.stringify({ kind: 'cniCacheV1', networkName: 'storage', ifName: 'net1', cniArgs: args }),
    );
    undo.push(() => node.sh(`rm ${file}`));
    await eventually(async () => {
      const { findings } = await node.ask();
      const texts = findings.map(({ check, subject, policies }) => [check, subject, ...policies].join(' '));
      const wanted = ['further-network pod shop/c shop/inwards', 'object pod shop/b', 'object pod shop/twin'];
      return texts.toSorted().join() === wanted.join() ? undefined : JSON.stringify(findings);
    });
  });

  it('finds pods of another node that claim addresses in the range of this one', async () => {
    node.addPod('forged', '10.244.1.200', 'n2');
    undo.push(async () => {
      node.store.delete('pods', { namespace: 'shop', name: 'forged' }, { gracePeriodSeconds: 0 });
      await eventually(async () => ((await node.ask()).findings.length === 0 ? undefined : 'the claim is there'));
    });
    const { check, subject, problem } = await theOnly();
    assert.equal(
      `${check}: ${subject}: ${problem}`,
      'claimed-range: node n2: its pods claim 1 gated addresses of this node, which pass the start gate',
    );
  });

  it('finds a start gate that the address of a sandbox has turned off', async () => {
    node.addPod('far', '192.0.2.8');
    const file = await node.noteSandbox('far', '192.0.2.8');
    undo.push(async () => {
      await node.sh(`rm ${file}`);
      node.store.delete('pods', { namespace: 'shop', name: 'far' }, { gracePeriodSeconds: 0 });
      // It does not forget that the runtime notes its pods.
      await node.agent.restart();
      await node.becomesReady();
      await eventually(async () => {
        const { findings } = await node.ask();
        return findings.length === 0 ? undefined : JSON.stringify(findings);
      });
    });
    await eventually(async () => {
      const { findings } = await node.ask();
      const isFound = findings.some(
        ({ check, problem }) => check === 'start-window' && problem.includes('10.244.1.0/24'),
      );
      return isFound ? undefined : JSON.stringify(findings);
    });
  });

  it('finds an API server that does not answer, or whose clock differs', async () => {
    await node.agent.disconnect();
    undo.push(async () => node.agent.reconnect());
    const { check, problem } = await theOnly();
    assert.match(`${check}: ${problem}`, /^api-server: connect ECONNREFUSED 127\.0\.0\.1:6443$/);
    node.agent.reconnect();
    await eventually(async () => ((await node.ask()).findings.length === 0 ? undefined : 'the API server is away'));
    node.agent.stall();
    const stalled = await theOnly().finally(() => node.agent.unstall());
    assert.match(`${stalled.check}: ${stalled.problem}`, /^api-server: no data for 8000 ms$/);
    await node.agent.disconnect();
    const stop = await node.start(process.execPath, ['-e', hastyApiServer]);
    try {
      const found = await theOnly();
      assert.equal(found.check, 'clock');
      assert.match(found.problem, /^it is 3[56][0-9][0-9] s behind the API server's$/);
    } finally {
      await stop();
    }
  });

  it('finds an agent that is not ready, or does not answer', async () => {
    await node.agent.restart({ args: ['--node-name', 'n9'] });
    undo.push(async () => {
      await node.agent.restart();
      await node.becomesReady();
    });
    await eventually(async () => {
      const { findings } = await node.ask();
      const found = findings.find(({ subject }) => subject === 'agent check node');
      return found?.check === 'agent-ready' && /no Node named n9/.test(found.problem)
        ? undefined
        : JSON.stringify(findings);
    });
    process.kill(node.agent.pid!, 'SIGSTOP');
    const hung = await theOnly().finally(() => process.kill(node.agent.pid!, 'SIGCONT'));
    assert.match(`${hung.check}: ${hung.problem}`, /^agent: the agent does not answer at .*: no answer within 10 s$/);
    await node.agent.stop();
    const { check, problem } = await theOnly();
    assert.match(`${check}: ${problem}`, /^agent: the agent does not answer at unix:/);
  });
});
