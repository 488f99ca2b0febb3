import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';
import { describe, it } from 'mocha';
import { relayedKubeconfig } from '../../../src/lab/real/relayed-kubeconfig.ts';

interface Relayed {
  readonly server: string | undefined;
  readonly tlsServerName: string | undefined;
}

/** The settings that a client reads from the kubeconfig of an agent. */
function relay(server: string, more: object = {}, user: object = {}): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'c', server, skipTLSVerify: false, ...more }, { name: 'u', ...user });
  const relayed = new KubeConfig();
  relayed.loadFromString(relayedKubeconfig(config));
  return relayed;
}

function relayed(server: string, more: object = {}): Relayed {
  const { server: url, tlsServerName } = relay(server, more).getCurrentCluster()!;
  return { server: url, tlsServerName };
}

describe('lab: kubeconfig of an agent that reaches a real API server by the relay', () => {
  it('expects the certificate of the server, whose name is no longer in the address', () => {
    const server = 'https://127.0.0.1:6443';
    assert.deepEqual(relayed('https://api.example:8443'), { server, tlsServerName: 'api.example' });
    assert.deepEqual(relayed('https://[fd00::1]:8443'), { server, tlsServerName: 'fd00::1' });
    assert.deepEqual(relayed('https://127.0.0.1:40000'), { server, tlsServerName: undefined });
    const named = { tlsServerName: 'kubernetes' };
    assert.deepEqual(relayed('https://10.0.0.1', named), { server, ...named });
  });

  it('keeps the path, and plain HTTP', () => {
    assert.equal(relayed('https://example/k8s/clusters/c-1/').server, 'https://127.0.0.1:6443/k8s/clusters/c-1');
    assert.equal(relayed('http://10.0.0.1:8080').server, 'http://127.0.0.1:6443');
  });

  it('keeps authority and credentials', () => {
    const authority = { caData: 'Y2E=', caFile: '/ca.pem' };
    const user = { certData: 'Y2VydA==', keyFile: '/key.pem', token: 't', username: 'u', password: 'p' };
    const config = relay('https://example', authority, user);
    const { caData, caFile, skipTLSVerify } = config.getCurrentCluster()!;
    assert.deepEqual({ caData, caFile, skipTLSVerify }, { ...authority, skipTLSVerify: false });
    const { certData, keyFile, token, username, password } = config.getCurrentUser()!;
    assert.deepEqual({ certData, keyFile, token, username, password }, user);
    assert.equal(relay('https://example', { skipTLSVerify: true }).getCurrentCluster()!.skipTLSVerify, true);
  });
});
