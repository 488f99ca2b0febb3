/** k8s.io/apimachinery/pkg/util/validation: each check returns the messages of that package. */

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const dnsLabel = new RegExp(`^${label}$`);
const dnsSubdomain = new RegExp(`^${label}(\\.${label})*$`);
const qualifiedPart = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const labelMessage = regexMessage(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  label,
  ['my-name', '123-abc'],
);
const dns1035Message = regexMessage(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  '[a-z]([-a-z0-9]*[a-z0-9])?',
  ['my-name', 'abc-123'],
);
const subdomainMessage = regexMessage(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  `${label}(\\.${label})*`,
  ['example.com'],
);
const qualifiedMessage = regexMessage(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]',
  ['MyName', 'my.name', '123-abc'],
);
const labelValueMessage = regexMessage(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?',
  ['MyValue', 'my_value', '12345'],
);

export function checkDnsLabel(name: string): string[] {
  const wrong = dnsSubdomain.test(name) ? 'must not contain dots' : labelMessage;
  return [...checkLength(name, 63), ...(dnsLabel.test(name) ? [] : [wrong])];
}

/** Names of Services, which become DNS names. */
export function checkDns1035Label(name: string): string[] {
  return [...checkLength(name, 63), ...(/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name) ? [] : [dns1035Message])];
}

export function checkDnsSubdomain(name: string): string[] {
  return [...checkLength(name, 253), ...(dnsSubdomain.test(name) ? [] : [subdomainMessage])];
}

/** A label or annotation key: `[PREFIX/]NAME`. */
export function checkQualifiedName(key: string): string[] {
  const parts = key.split('/');
  if (parts.length > 2) {
    const shape = `a qualified name ${qualifiedMessage} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
    return [shape];
  }
  const errors: string[] = [];
  const name = parts.at(-1)!;
  if (parts.length === 2) {
    if (parts[0] === '') errors.push('prefix part must be non-empty');
    else errors.push(...checkDnsSubdomain(parts[0]!).map((message) => `prefix part ${message}`));
  }
  if (name === '') errors.push('name part must be non-empty');
  else errors.push(...checkLength(name, 63).map((message) => `name part ${message}`));
  if (!qualifiedPart.test(name)) errors.push(`name part ${qualifiedMessage}`);
  return errors;
}

export function checkLabelValue(value: string): string[] {
  return [...checkLength(value, 63), ...(labelValue.test(value) ? [] : [labelValueMessage])];
}

export function isLabelKey(key: string): boolean {
  return checkQualifiedName(key).length === 0;
}

export function isLabelValue(value: string): boolean {
  return checkLabelValue(value).length === 0;
}

/** A port name (IANA_SVC_NAME) of a container port or in a policy. */
export function checkPortName(name: string): string[] {
  const errors = checkLength(name, 15);
  if (!/^[-a-z0-9]+$/.test(name)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)');
  if (name.includes('--')) errors.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

export function checkPortNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive'];
}

/** `len` of a Go string counts bytes, although the message says otherwise. */
function checkLength(text: string, bytes: number): string[] {
  return Buffer.byteLength(text) > bytes ? [`must be no more than ${bytes} characters`] : [];
}

function regexMessage(message: string, pattern: string, examples: readonly string[]): string {
  // The double space is in the original message.
  const listed = examples.map((example) => `'${example}'`).join(',  or ');
  return `${message} (e.g. ${listed}, regex used for validation is '${pattern}')`;
}
