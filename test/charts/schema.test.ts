import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import { logLevels, agentFlags } from '../../src/config/flags.ts';
import { parseListen } from '../../src/config/listen.ts';
import { requireHelm } from '../support/helm.ts';
import { readChartFile, render, template } from './chart.ts';
import { agentContainer } from './daemon-set.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly definitions?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

const schema = readChartFile('values.schema.json') as Schema;

describe('the schema of the chart', function () {
  this.timeout(150_000);
  let helm: string;
  before(async function () {
    ({ helm } = await requireHelm(this));
  });

  it('knows every key of every object, or says what kind of values it has', () => {
    const open: string[] = [];
    const visit = (path: string, { properties, additionalProperties, definitions, items, type }: Schema): void => {
      if (type === 'object' && additionalProperties === undefined) open.push(path);
      if (properties && additionalProperties !== false) open.push(path);
      for (const [key, child] of Object.entries({ ...properties, ...definitions })) visit(`${path}/${key}`, child);
      if (items) visit(`${path}/0`, items);
    };
    visit('', schema);
    // Helm gives it to the charts that another one depends on.
    assert.deepEqual(open, ['/global']);
  });

  const wrong: readonly [set: string, where: string][] = [
    ['imag.tag=1', "at '': additional properties 'imag' not allowed"],
    ['image.repo=x', "at '/image': additional properties 'repo' not allowed"],
    ['image.repository=Upper', "at '/image/repository'"],
    ['image.tag=a b', "at '/image/tag'"],
    ['image.digest=0123', "at '/image/digest'"],
    ['image.pullPolicy=Sometimes', "at '/image/pullPolicy'"],
    ['imagePullSecrets[0].secret=x', "at '/imagePullSecrets/0': additional properties 'secret' not allowed"],
    ['logLevel=verbose', "at '/logLevel'"],
    ['listen.address=192.0.2.1', "at '/listen/address'"],
    ['listen.port=0', "at '/listen/port'"],
    ['listen.port=null', "at '/listen': missing property 'port'"],
    ['listen=null', "at '': missing property 'listen'"],
    ['apiServer.host=https://api:6443', "at '/apiServer/host'"],
    ['apiServer.port=65536', "at '/apiServer/port'"],
    ['startGate.enabled=off', "at '/startGate/enabled': got string, want boolean"],
    ['startGate=false', "at '/startGate': got boolean, want object"],
    ['podCidrs[0]=10.244.0.0/16', "at '': additional properties 'podCidrs' not allowed"],
    ['guard.on=true', "at '/guard': additional properties 'on' not allowed"],
    ['fastPath.on=true', "at '/fastPath': additional properties 'on' not allowed"],
    ['cni.on=true', "at '/cni': additional properties 'on' not allowed"],
    ['cni.enabled=yes', "at '/cni/enabled'"],
    ['cni.failurePolicy=ignore', "at '/cni/failurePolicy'"],
    ['cni.timeoutSeconds=61', "at '/cni/timeoutSeconds'"],
    ['cni.confDir=etc/cni', "at '/cni/confDir'"],
    ['cni.binDir=/opt/../bin', "at '/cni/binDir'"],
    ['podNetworks=true', "at '/podNetworks': got boolean, want object"],
    ['netlink.on=true', "at '/netlink': additional properties 'on' not allowed"],
    ['denials.log=off', "at '/denials/log': got string, want boolean"],
    ['flows.enabled=off', "at '/flows/enabled': got string, want boolean"],
    ['status.enabled=off', "at '/status/enabled': got string, want boolean"],
    ['metrics.policyLimit=10001', "at '/metrics/policyLimit'"],
    ['budgets.namespace=9999', "at '/budgets/namespace'"],
    ['budgets.namespace=6000001', "at '/budgets/namespace'"],
    ['cniCacheDir=results', "at '/cniCacheDir'"],
    ['cniCacheDir=/results', "at '/cniCacheDir'"],
    ['cniCacheDir=/var/lib/../x', "at '/cniCacheDir'"],
    ['stateDir=none', "at '/stateDir'"],
    ['resources.limits.memory=100MB', "at '/resources/limits/memory'"],
    ['resources.request.cpu=1', "at '/resources': additional properties 'request' not allowed"],
    ['nodeSelector.pool=1', "at '/nodeSelector/pool': got number, want string"],
    ['affinity.podAffinity.x=1', "at '/affinity': additional properties 'podAffinity' not allowed"],
    ['tolerations[0].operator=Exist', "at '/tolerations/0/operator'"],
    ['priorityClassName=Critical', "at '/priorityClassName'"],
    ['resourceQuota.pods=0', "at '/resourceQuota/pods'"],
    ['resourceQuota.enabled=maybe', "at '/resourceQuota/enabled': got string, want boolean"],
    ['updateStrategy.type=Recreate', "at '/updateStrategy/type'"],
    ['updateStrategy.rollingUpdate.maxSurge=1', "at '/updateStrategy/rollingUpdate': additional properties 'maxSurge'"],
    ['updateStrategy.rollingUpdate.maxUnavailable=0', "at '/updateStrategy/rollingUpdate/maxUnavailable'"],
    ['updateStrategy.rollingUpdate.maxUnavailable=0%', "at '/updateStrategy/rollingUpdate/maxUnavailable'"],
    ['podAnnotations.a.b=c', "at '/podAnnotations/a': got object, want string"],
    ['podLabels.app\\.kubernetes\\.io/name=x', "at '/podLabels/app.kubernetes.io~1name'"],
    ['serviceAccount.name=x', "at '/serviceAccount': additional properties 'name' not allowed"],
    ['metrics.serviceMonitor.interval=often', "at '/metrics/serviceMonitor/interval'"],
    ['metrics.serviceMonitor.enabled=true', 'listen.address'],
    ['metrics.prometheusRule.enabled=1', "at '/metrics/prometheusRule/enabled': got number, want boolean"],
    ['metrics.prometheusRule.rules=x', "at '/metrics/prometheusRule': additional properties 'rules' not allowed"],
    ['uninstall.keeprules=true', "at '/uninstall': additional properties 'keeprules' not allowed"],
    ['uninstall.timeoutSeconds=0', "at '/uninstall/timeoutSeconds'"],
    ['hooks.tolerations=all', "at '/hooks/tolerations': got string, want array"],
  ];
  for (const [set, where] of wrong) {
    it(`refuses ${set} and names it`, async () => {
      const { error } = await template(helm, '--set', set);
      assert.ok(error.includes(where), error || 'it was rendered');
    });
  }

  it('has no value that no test gives wrongly', () => {
    const tried = wrong.map(([set]) => set.split(/[=.[]/)[0]);
    assert.deepEqual(
      Object.keys(schema.properties!).filter((key) => key !== 'global' && !tried.includes(key)),
      [],
    );
  });

  it('has the log levels of the agent', () => {
    assert.deepEqual(schema.properties!['logLevel']!.enum, logLevels);
  });

  it('has addresses that reach the agent as they are, and loopback probes that reach them', async () => {
    const addresses = schema.properties!['listen']!.properties!['address']!.enum!;
    for (const address of addresses) {
      const container = agentContainer(await render(helm, '--set', `listen.address=${address},listen.port=9999`));
      const listen = container.env.find(({ name }) => name === agentFlags.listen.env)!.value!;
      assert.deepEqual(parseListen(listen), { host: address, port: 9999 });
      const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe];
      const hosts = new Set(probes.map(({ httpGet }) => httpGet.host));
      assert.deepEqual([...hosts], [address.includes(':') ? '::1' : '127.0.0.1']);
    }
  });
});
