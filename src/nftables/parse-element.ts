import type { Json } from './json.ts';
import { isList, isObject } from './json.ts';
import { parseComponent } from './parse-component.ts';
import type { Element, KeyType } from './ruleset.ts';

type Parse = (json: Json | undefined) => string | undefined;

/** Returns a parser for elements of this key: nft's JSON → canonical text; `undefined` if it does not fit the key or has further properties. */
export function elementParser(key: readonly KeyType[]): (json: Json | undefined) => Element | undefined {
  const parsers = key.map(componentParser);
  return (json) => {
    const concat = isObject(json) ? json.concat : undefined;
    const list = isList(concat) ? concat : [json];
    if (list.length !== key.length) return undefined;
    const components: string[] = [];
    for (let i = 0; i < list.length; i++) {
      const component = parsers[i]!(list[i]);
      if (component === undefined) return undefined;
      components.push(component);
    }
    return components.join(' . ');
  };
}

/** Caches numbers: many elements have the same protocols and ports. */
function componentParser(type: KeyType): Parse {
  const known = new Map<number, string | undefined>();
  return (json) => {
    if (typeof json !== 'number') return parseComponent(type, json);
    let text = known.get(json);
    if (text === undefined) known.set(json, (text = parseComponent(type, json)));
    return text;
  };
}
