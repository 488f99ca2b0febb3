import { after, before, describe } from 'mocha';
import { describeKubectl } from './contract/kubectl-commands.ts';
import { describePods } from './contract/pods.ts';
import { describePolicies } from './contract/policies.ts';
import { describeRequests } from './contract/requests.ts';
import { describeStatuses } from './contract/statuses.ts';
import { testedServers, type TestedServer } from './contract/tested-server.ts';

for (const [name, start] of testedServers) {
  describe(name, function () {
    this.timeout(120_000);
    let server: TestedServer;
    before(async () => void (server = await start()));
    after(() => server?.close());

    describeRequests(() => server);
    describePolicies(() => server);
    describePods(() => server);
    describeStatuses(() => server);
    describeKubectl(() => server);
  });
}
