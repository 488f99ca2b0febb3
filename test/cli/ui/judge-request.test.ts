import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { judgeRequest, type Asked, type Ruling } from '../../../src/cli/ui/judge-request.ts';

const token = 'Pn-1_token';
const door = { token, port: 8080 };
const host = ['127.0.0.1:8080'];
const ask = (path: string, headers: Asked['headers'] = {}, method = 'GET'): Ruling =>
  judgeRequest({ method, url: `/${token}/${path}`, headers: { host, ...headers } }, door);
const url = (text: string): Ruling => judgeRequest({ method: 'GET', url: text, headers: { host } }, door);
const no: Ruling = { status: 404 };
const navigated = { 'sec-fetch-mode': ['navigate'], 'sec-fetch-dest': ['document'] };

type Row = readonly [name: string, ruling: Ruling, expected: Ruling];

function check(rows: readonly Row[]): void {
  for (const [name, ruling, expected] of rows) deepEqual(ruling, expected, name);
}

describe('the door of the page', () => {
  it('opens four paths', () =>
    check([
      ['the page', ask(''), { route: '' }],
      ['its script', ask('page.js'), { route: 'page.js' }],
      ['its style', ask('page.css'), { route: 'page.css' }],
      ['its data', ask('data'), { route: 'data' }],
      ['the head', ask('data', {}, 'HEAD'), { route: 'data' }],
      ['localhost', ask('', { host: ['localhost:8080'] }), { route: '' }],
    ]));

  it('opens no other path', () =>
    check([
      ['another file', ask('page.html'), no],
      ['a query', ask('data?x'), no],
      ['up', ask('../data'), no],
      ['up and down', ask(`../${token}/data`), no],
      ['encoded', ask('%64ata'), no],
      ['backslash', ask('..\\data'), no],
      ['a property of all objects', ask('constructor'), no],
      ['a newline', ask('data\n'), no],
      ['a zero byte', ask('data\0'), no],
      ['below', ask('data/'), no],
      ['twice the slash', ask('/data'), no],
      ['without the last slash', url(`/${token}`), no],
    ]));

  it('opens with the token only', () =>
    check([
      ['none', url('/'), no],
      ['none, with a file', url('/data'), no],
      ['empty', url('//data'), no],
      ['another', url('/Pn-1_tokem/data'), no],
      ['shorter', url('/Pn-1_toke/data'), no],
      ['longer', url('/Pn-1_token0/data'), no],
      ['another case', url('/pn-1_TOKEN/data'), no],
      ['encoded', url('/Pn%2d1_token/data'), no],
      ['of a proxy', url(`http://127.0.0.1:8080/${token}/data`), no],
      ['an asterisk', url('*'), no],
      ['nothing', judgeRequest({ method: 'GET', url: undefined, headers: { host } }, door), no],
    ]));

  it('opens under its own name only, so that no other name resolves to it', () =>
    check([
      ['none', judgeRequest({ method: 'GET', url: `/${token}/`, headers: {} }, door), no],
      ['another name', ask('data', { host: ['evil.example:8080'] }), no],
      ['another port', ask('data', { host: ['127.0.0.1:8081'] }), no],
      ['no port', ask('data', { host: ['127.0.0.1'] }), no],
      ['an ending', ask('data', { host: ['127.0.0.1:8080.evil.example'] }), no],
      ['another address of loopback', ask('data', { host: ['127.0.0.2:8080'] }), no],
      ['two', ask('data', { host: ['127.0.0.1:8080', 'evil.example'] }), no],
      [
        'on port 80, as browsers write it',
        judgeRequest({ method: 'GET', url: `/${token}/`, headers: { host: ['localhost'] } }, { token, port: 80 }),
        { route: '' },
      ],
    ]));

  it('opens for its own page, and not for other sites', () => {
    const from = (site: string, more: Asked['headers'] = {}) => ({ 'sec-fetch-site': [site], ...more });
    check([
      ['the page', ask('data', from('same-origin')), { route: 'data' }],
      ['the address line', ask('', from('none', navigated)), { route: '' }],
      ['its own origin', ask('data', { origin: ['http://127.0.0.1:8080'] }), { route: 'data' }],
      ['another origin', ask('data', { origin: ['http://evil.example'] }), no],
      ['the other name of its own', ask('data', { origin: ['http://localhost:8080'] }), no],
      ['a hidden origin', ask('data', { origin: ['null'] }), no],
      ['another port of this machine', ask('data', from('same-site')), no],
      ['a request of another site', ask('data', from('cross-site')), no],
      ['a script of another site', ask('page.js', from('cross-site')), no],
      ['a link on another site to the data', ask('data', from('cross-site', navigated)), no],
      [
        'a link on another site, or the file that opens the browser',
        ask('', from('cross-site', navigated)),
        { route: '' },
      ],
      ['a frame of another site', ask('', from('cross-site', { ...navigated, 'sec-fetch-dest': ['iframe'] })), no],
      ['a fetch of the page', ask('', from('cross-site', { 'sec-fetch-mode': ['no-cors'] })), no],
      ['two answers', ask('data', { 'sec-fetch-site': ['same-origin', 'cross-site'] }), no],
    ]);
  });

  it('lets nothing in', () =>
    check([
      ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'get', ''].map((method): Row => {
        return [method, ask('data', {}, method), { status: 405 }];
      }),
      ['another method, without the token', judgeRequest({ method: 'POST', url: '/', headers: { host } }, door), no],
      ['a body', ask('data', { 'content-length': ['1'] }), no],
      ['an empty body', ask('data', { 'content-length': ['0'] }), { route: 'data' }],
      ['chunks', ask('data', { 'transfer-encoding': ['chunked'] }), no],
    ]));
});
