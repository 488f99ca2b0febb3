import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { planInstall, planRemoval, type InstallPlan } from '../../src/cni/install-plan.ts';
import { pluginEntry, pluginType } from '../../src/cni/plugin-entry.ts';
import { FakeHost, newProgram } from './fake-host.ts';

const entry = pluginEntry({ socket: '/run/postern/cni.sock', failurePolicy: 'Ignore', timeoutSeconds: 10 });
const oldEntry = { type: pluginType, socket: '/run/old.sock' };

/** As flannel writes it: another order, unknown fields, numbers that JavaScript cannot hold. */
const flannel = `{
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "2": 12345678901234567890.10,
  "plugins": [
    {
      "type": "flannel",
      "delegate": { "hairpinMode": true, "isDefaultGateway": true, "x": "]}\\"" }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
`;
const single = '{ "cniVersion": "1.0.0", "name": "one",\n "type": "bridge", "big": 1e400 }\n';
const oneLine = '{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"ptp"}]}';

function host(files: Readonly<Record<string, string>>): FakeHost {
  const made = new FakeHost();
  for (const type of ['flannel', 'portmap', 'bridge', 'ptp', 'istio']) made.write('bin', type, 'program', 0o755);
  for (const [name, text] of Object.entries(files)) made.write('conf', name, text, 0o600);
  return made;
}

function run(on: FakeHost, plan: InstallPlan): FakeHost {
  for (const operation of plan.operations) on.run(operation);
  return on;
}

const install = (on: FakeHost): FakeHost => run(on, planInstall(on.state, entry));
const remove = (on: FakeHost): FakeHost => run(on, planRemoval(on.state, false));
const contentOf = (on: FakeHost) => on.names('conf').map((name) => [name, on.read('conf', name)]);
const isOurs = (plugin: unknown): boolean => (plugin as { type: string }).type === pluginType;

describe('planInstall', () => {
  it('adds the plugin last, and leaves every other byte, and the mode', () => {
    const on = install(host({ '10-flannel.conflist': flannel }));
    const gap = '\n    ';
    const portmap = '{ "type": "portmap", "capabilities": { "portMappings": true } }';
    assert.equal(
      on.read('conf', '10-flannel.conflist'),
      flannel.replace(portmap, `${portmap},${gap}${JSON.stringify(entry)}`),
    );
    assert.equal(on.modeOf('conf', '10-flannel.conflist'), 0o600);
    assert.deepEqual([on.read('bin', pluginType), on.modeOf('bin', pluginType)], [newProgram, 0o755]);
    assert.deepEqual(on.names('conf'), ['10-flannel.conflist']);
  });

  it('does nothing the second time', () => {
    for (const files of [{ 'a.conflist': flannel }, { 'a.conf': single }] as const) {
      assert.deepEqual(planInstall(install(host(files)).state, entry).operations, [], JSON.stringify(files));
    }
  });

  it('takes the first configuration by name, and only that one', () => {
    const on = install(host({ '20-b.conflist': flannel, '10-a.conflist': oneLine, '05-notes.txt': 'x' }));
    assert.equal(on.read('conf', '20-b.conflist'), flannel);
    assert.ok(on.pluginsInUse().some(isOurs));
    on.write('conf', '00-new.conflist', oneLine);
    install(on);
    assert.deepEqual([on.read('conf', '10-a.conflist'), on.pluginsInUse().some(isOurs)], [oneLine, true]);
  });

  it('makes a list of a configuration of one plugin, which it keeps', () => {
    {
      const on = install(host({ '10-one.conf': single }));
      assert.deepEqual(
        on.pluginsInUse().map((plugin) => (plugin as { type: string }).type),
        ['bridge', pluginType],
      );
      assert.ok(on.read('conf', '10-one.conflist')!.includes(single.trim()));
    }
  });

  it('follows another program that rewrites its configuration', () => {
    const on = install(host({ '10-one.conf': single }));
    on.write('conf', '10-one.conf', single.replace('bridge', 'ptp'));
    install(on);
    assert.deepEqual(
      on.pluginsInUse().map((plugin) => (plugin as { type: string }).type),
      ['ptp', pluginType],
    );
    const list = install(host({ 'a.conflist': flannel }));
    list.write('conf', 'a.conflist', flannel);
    install(list);
    assert.ok(list.pluginsInUse().some(isOurs));
  });

  it('renews its entry, and a program that is not current', () => {
    const old = oneLine.replace(
      '{"type":"ptp"}',
      `{"type":"ptp"},${JSON.stringify(oldEntry)},${JSON.stringify(oldEntry)}`,
    );
    const on = install(host({ 'a.conflist': old }).write('bin', pluginType, 'old program', 0o755));
    assert.deepEqual(on.pluginsInUse(), [{ type: 'ptp' }, entry]);
    assert.equal(on.read('bin', pluginType), newProgram);
  });

  it('does not fight for the last place', () => {
    const on = install(host({ 'a.conflist': oneLine }));
    const text = on.read('conf', 'a.conflist')!;
    on.write('conf', 'a.conflist', `${text.slice(0, text.lastIndexOf(']'))},{"type":"istio"}]}`);
    assert.deepEqual(planInstall(on.state, entry).operations, []);
  });

  it('leaves alone what it cannot change for certain, and says why', () => {
    const ours = JSON.stringify(entry);
    const cases: readonly [Readonly<Record<string, string>>, RegExp][] = [
      [{}, /no network configuration/],
      [{ 'a.conflist': 'no JSON' }, /not a JSON object/],
      [{ 'a.conflist': '[]' }, /not a JSON object/],
      [{ 'a.conflist': '{"cniVersion":"1.0.0","name":"a","plugins":[]}' }, /no other plugin/],
      [{ 'a.conflist': `{"cniVersion":"1.0.0","name":"a","plugins":[${ours}]}` }, /no other plugin/],
      [{ 'a.conflist': '{"cniVersion":"1.0.0","name":"a","plugins":[{}]}' }, /no list of plugins/],
      [{ 'a.conflist': oneLine.replace('1.0.0', '0.2.0') }, /cniVersion "0.2.0"/],
      [{ 'a.conflist': oneLine.replace('1.0.0', '2.0.0') }, /cniVersion "2.0.0"/],
      [{ 'a.conflist': oneLine.replace('"name"', '"Plugins":[],"name"') }, /names a field twice/],
      [{ 'a.conf': oneLine }, /no type/],
      [{ 'a.conf': single.replace('"cniVersion": "1.0.0",', '') }, /cniVersion of no value/],
      [{ 'a.json': single }, /should be a \.conf/],
      [{ 'a.conf': single, 'a.conflist': flannel }, /stands beside a.conflist/],
    ];
    for (const [files, problem] of cases) {
      const plan = planInstall(host(files).state, entry);
      assert.match(plan.problem ?? '', problem, JSON.stringify(files));
      assert.deepEqual(
        plan.operations.filter(({ place }) => place === 'conf'),
        [],
      );
    }
  });

  it('does not replace what another program has written since', () => {
    for (const files of [{ 'a.conflist': flannel }, { 'a.conf': single }] as const) {
      const on = host(files);
      const plan = planInstall(on.state, entry);
      const [name] = on.names('conf');
      on.write('conf', name!, Object.values(files)[0]!);
      assert.throws(() => run(on, plan), /has changed/);
    }
  });
});

describe('planRemoval', () => {
  it('leaves what was there before, byte for byte', () => {
    for (const files of [
      { 'a.conflist': flannel },
      { 'a.conflist': oneLine },
      { 'a.conf': single },
      { 'a.json': single },
    ] as const) {
      const on = host(files);
      const [conf, bin] = [contentOf(on), on.names('bin')];
      remove(install(on));
      assert.deepEqual([contentOf(on), on.names('bin')], [conf, bin]);
    }
  });

  it('keeps the program if a runtime may still run it, or if a list names it that cannot be changed', () => {
    const on = install(host({ 'a.conflist': flannel }));
    run(on, planRemoval(on.state, true));
    assert.deepEqual([on.read('conf', 'a.conflist'), on.read('bin', pluginType)], [flannel, newProgram]);
    on.write('conf', 'b.conflist', `{"plugins":[{"type":"ptp"},${JSON.stringify(entry)}]}`);
    const plan = planRemoval(on.state, false);
    assert.match(plan.problem!, /b\.conflist has the cniVersion/);
    run(on, plan);
    assert.equal(on.read('bin', pluginType), newProgram);
  });

  it('keeps what others have added to a list since', () => {
    const on = install(host({ 'a.conf': single }));
    const text = on.read('conf', 'a.conflist')!;
    on.write('conf', 'a.conflist', text.replace(/\n {2}\]/, ',{"type":"istio"}\n  ]'));
    remove(on);
    assert.deepEqual(
      on.pluginsInUse().map((plugin) => (plugin as { type: string }).type),
      ['bridge', 'istio'],
    );
    assert.deepEqual(on.names('conf'), ['a.conflist']);
  });
});

describe('a kill at any operation', () => {
  const plugin = fc.constantFrom('{"type":"bridge","n":1}', '{ "type": "ptp" , "a": [ "x" ] }', '{"type":"portmap"}');
  const ours = fc.constantFrom(JSON.stringify(entry), JSON.stringify(oldEntry));
  const list = fc
    .tuple(
      plugin,
      fc.array(fc.oneof({ weight: 3, arbitrary: plugin }, ours), { maxLength: 3 }),
      fc.constantFrom('', '\n  '),
    )
    .map(
      ([first, rest, gap]) =>
        `{"cniVersion":"1.0.0",${gap}"name":"a","plugins":[${gap}${[first, ...rest].join(`,${gap}`)}]}`,
    );
  const one = fc.constantFrom(single, single.replace('bridge', 'ptp'));
  const file = fc.oneof(
    fc.tuple(fc.constantFrom('a.conflist', 'b.conflist'), list),
    fc.tuple(fc.constantFrom('a.conf', 'b.conf'), one),
    fc.tuple(fc.constant('.a.conflist.postern-tmp'), fc.constant('{"cni')),
    fc.tuple(fc.constant('a.conf.postern-saved'), one),
  );
  const hosts = fc
    .tuple(fc.array(file, { minLength: 1, maxLength: 5 }), fc.constantFrom(undefined, 'old program', newProgram))
    .map(([files, program]) => ({ files, program }));
  const makeHost = ({ files, program }: { files: [string, string][]; program: string | undefined }): FakeHost => {
    const made = host(Object.fromEntries(files));
    // Where a list names the plugin, it is installed.
    made.write('bin', pluginType, program ?? 'old program', 0o755);
    if (program === undefined && !files.some(([, text]) => text.includes(pluginType))) made.remove('bin', pluginType);
    return made;
  };
  const actions = {
    install: (on: FakeHost) => planInstall(on.state, entry),
    removal: (on: FakeHost) => planRemoval(on.state, false),
  };

  for (const [name, plan] of Object.entries(actions)) {
    it(`of an ${name} leaves a node that starts pods with the same plugins, and the next one goes on`, () => {
      fc.assert(
        fc.property(hosts, fc.double({ min: 0, max: 1, noNaN: true }), (made, share) => {
          const before = makeHost(made);
          fc.pre(before.names('conf').some((each) => /\.(conf|conflist|json)$/.test(each)));
          const others = JSON.stringify(before.pluginsInUse().filter((each) => !isOurs(each)));
          const { operations } = plan(before);
          const copy = before.copy();
          const whole = run(copy, plan(copy));
          for (let killed = 0; killed <= operations.length; killed++) {
            const on = before.copy();
            for (const operation of plan(on).operations.slice(0, killed)) on.run(operation);
            const last = operations[killed];
            if (last?.op === 'create') on.run(last, share);
            assert.equal(JSON.stringify(on.pluginsInUse().filter((each) => !isOurs(each))), others);
            run(on, plan(on));
            assert.deepEqual(contentOf(on), contentOf(whole), `killed before operation ${killed}`);
            assert.deepEqual(on.names('bin'), whole.names('bin'));
          }
        }),
        { numRuns: 300 },
      );
    });
  }
});
