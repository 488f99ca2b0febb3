import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readAgentConfig, type FlagValues } from '../../src/config/agent-config.ts';
import { ConfigError } from '../../src/config/config-error.ts';

describe('the configuration of the agent', () => {
  it('has a default for all but the node', () => {
    assert.deepEqual(readAgentConfig({ nodeName: 'n1' }, {}), {
      nodeName: 'n1',
      kubeconfig: undefined,
      listen: { host: '127.0.0.1', port: 9470 },
      logLevel: 'info',
      startGate: true,
      guard: true,
      fastPath: true,
      netlink: true,
      allowPodTunnels: false,
      allowPodRouters: false,
      podCidrs: undefined,
      podNetworks: false,
      cniCacheDir: '/var/lib/cni/results',
      stateDir: undefined,
      logDenials: true,
      denialEvents: true,
      flows: true,
      statusNamespace: undefined,
      metricsPolicyLimit: 100,
      namespaceBudget: 400_000,
      cni: undefined,
      uninstall: false,
    });
  });

  it('serves the CNI plugin if there is a socket for it', () => {
    const read = (env: NodeJS.ProcessEnv) => readAgentConfig({ nodeName: 'n1', cniSocket: '/run/p/cni.sock' }, env).cni;
    assert.deepEqual(read({ POSTERN_CNI_CONF_DIR: '/etc/cni/net.d/', POSTERN_CNI_FAILURE_POLICY: 'Fail' }), {
      socket: '/run/p/cni.sock',
      confDir: '/etc/cni/net.d',
      binDir: '/opt/cni/bin',
      program: '/usr/lib/postern/postern-cni',
      failurePolicy: 'Fail',
      timeoutSeconds: 10,
    });
    assert.throws(() => read({ POSTERN_CNI_CACHE_DIR: 'none' }), /--cni-socket needs --cni-cache-dir/);
    assert.throws(
      () => readAgentConfig({ nodeName: 'n1', cniConfDir: '/etc/cni/net.d' }, {}),
      /--cni-conf-dir needs --cni-socket/,
    );
    for (const path of ['cni.sock', '/run/"x', '/run/a b', `/${'a'.repeat(107)}`])
      assert.throws(() => readAgentConfig({ nodeName: 'n1', cniSocket: path }, {}), ConfigError, path);
  });

  it('prefers a flag to a variable and a variable to the default', () => {
    const env = { POSTERN_NODE_NAME: 'env', POSTERN_LOG_LEVEL: 'debug', POSTERN_KUBECONFIG: '' };
    const config = readAgentConfig({ nodeName: 'flag' }, env);
    assert.deepEqual([config.nodeName, config.logLevel, config.kubeconfig], ['flag', 'debug', undefined]);
  });

  it('takes a switch for on when it is given, whatever its variable says', () => {
    const env = { POSTERN_UNINSTALL: 'false' };
    assert.equal(readAgentConfig({ nodeName: 'n1', uninstall: true }, env).uninstall, true);
    assert.equal(readAgentConfig({ nodeName: 'n1' }, { POSTERN_UNINSTALL: 'true' }).uninstall, true);
  });

  it('turns off what is on by default, by the flag or by the variable, and the flag goes first', () => {
    const env = { POSTERN_GUARD: 'false', POSTERN_START_GATE: 'true' };
    const config = readAgentConfig({ nodeName: 'n1', guard: true, startGate: false }, env);
    assert.deepEqual([config.guard, config.startGate], [true, false]);
    assert.equal(readAgentConfig({ nodeName: 'n1' }, env).guard, false);
  });

  it('reads ranges of pods as the API server would write them', () => {
    const { podCidrs } = readAgentConfig({ nodeName: 'n1', podCidr: '10.244.1.7/24, FD00:0:0:1::/64' }, {});
    assert.deepEqual(podCidrs, ['10.244.1.0/24', 'fd00:0:0:1::/64']);
  });

  it('reads directories, and that there is none', () => {
    const { cniCacheDir, stateDir } = readAgentConfig({ nodeName: 'n1', cniCacheDir: 'none', stateDir: '/a//b/' }, {});
    assert.deepEqual([cniCacheDir, stateDir], [undefined, '/a/b']);
  });

  it('cannot be edited', () => {
    const config = readAgentConfig({ nodeName: 'n1' }, {}) as { nodeName: string };
    assert.throws(() => (config.nodeName = 'n2'), TypeError);
  });

  const mistakes: readonly [FlagValues, NodeJS.ProcessEnv, RegExp][] = [
    [{}, {}, /^--node-name NAME \(or POSTERN_NODE_NAME\) is required$/],
    [{ nodeName: 'Node_1' }, {}, /^--node-name: "Node_1" is not the name of a Node/],
    [{ nodeName: '' }, { POSTERN_NODE_NAME: 'n1' }, /^--node-name: "" is not/],
    [{ nodeName: 'a'.repeat(254) }, {}, /^--node-name: "a+" is not/],
    [{}, { POSTERN_NODE_NAME: '-a' }, /^POSTERN_NODE_NAME: "-a" is not/],
    [{ nodeName: 'n', listen: '9470' }, {}, /^--listen: "9470" is not HOST:PORT/],
    [{ nodeName: 'n', kubeconfig: '' }, {}, /^--kubeconfig: "" is not a file name/],
    [{ nodeName: 'n' }, { POSTERN_UNINSTALL: '1' }, /^POSTERN_UNINSTALL: "1" is not true or false/],
    [{ nodeName: 'n' }, { POSTERN_GUARD: 'yes' }, /^POSTERN_GUARD: "yes" is not true or false/],
    [{ nodeName: 'n' }, { POSTERN_START_GATE: 'off' }, /^POSTERN_START_GATE: "off" is not true or false/],
    [{ nodeName: 'n', podCidr: '10.244.1.0' }, {}, /^--pod-cidr: "10.244.1.0" is not a list of ranges such as 10/],
    [{ nodeName: 'n', podCidr: '10.244.1.0/24,' }, {}, /^--pod-cidr: "10.244.1.0\/24," is not a list/],
    [
      { nodeName: 'n' },
      { POSTERN_POD_CIDR: '0.0.0.0/0' },
      /^POSTERN_POD_CIDR: "0.0.0.0\/0" is not .* without loopback/,
    ],
    [{ nodeName: 'n', podCidr: 'fd00::/64,fe80::/64' }, {}, /^--pod-cidr: .* is not a list/],
    [{ nodeName: 'n', cniCacheDir: 'results' }, {}, /^--cni-cache-dir: "results" is not an absolute path, or none$/],
    [{ nodeName: 'n' }, { POSTERN_STATE_DIR: './x' }, /^POSTERN_STATE_DIR: "\.\/x" is not an absolute path$/],
    ...['9999', '6000001', '0x10000', '4e5', '-400000', '400000.5', 'many', ''].map(
      (namespaceBudget): [FlagValues, NodeJS.ProcessEnv, RegExp] => [
        { nodeName: 'n', namespaceBudget },
        {},
        /^--namespace-budget: ".*" is not a number from 10000 to 6000000$/,
      ],
    ),
    [
      { nodeName: 'n' },
      { POSTERN_NAMESPACE_BUDGET: '400k' },
      /^POSTERN_NAMESPACE_BUDGET: "400k" is not a number from 10000 to 6000000$/,
    ],
    [{ nodeName: 'n', logLevel: 'loud' }, {}, /^--log-level: "loud" is not one of trace, debug/],
  ];
  for (const [values, env, message] of mistakes) {
    it(`refuses ${JSON.stringify(values).slice(0, 60)} with ${JSON.stringify(env)}`, () => {
      assert.throws(
        () => readAgentConfig(values, env),
        (error) => error instanceof ConfigError && message.test(error.message),
      );
    });
  }
});
