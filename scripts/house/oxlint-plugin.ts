import { dirname, join, relative, sep } from 'node:path';
import { findWall } from './rooms.ts';

interface ImportNode {
  readonly source: { readonly type: string; readonly value?: unknown } | null;
  readonly importKind?: string;
  readonly exportKind?: string;
}
interface RuleContext {
  readonly cwd: string;
  readonly filename: string;
  report(problem: { node: object; message: string }): void;
}

/** Checks all forms of import: import, export from, import() and import('…') types. */
const walls = {
  create(context: RuleContext) {
    const importer = inSource(context, context.filename);
    if (importer === undefined) return {};
    const check = (node: ImportNode): void => {
      if (!node.source) return;
      const problem = findProblem(context, importer, node);
      if (problem !== undefined) context.report({ node, message: problem });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: (node: ImportNode) => check({ ...node, importKind: 'type' }),
    };
  },
};

function findProblem(context: RuleContext, importer: string, node: ImportNode): string | undefined {
  const specifier = node.source?.value;
  if (typeof specifier !== 'string') return 'an import must name its module by a literal';
  const imported = resolveSpecifier(context, specifier);
  if (imported === undefined) return `${specifier} is outside src`;
  return findWall(importer, imported, node.importKind === 'type' || node.exportKind === 'type');
}

function resolveSpecifier(context: RuleContext, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return inSource(context, join(dirname(context.filename), specifier));
  return specifier.startsWith('node:') ? specifier : `npm:${specifier}`;
}

function inSource(context: RuleContext, file: string): string | undefined {
  const path = relative(join(context.cwd, 'src'), file);
  return path.startsWith('..') ? undefined : path.split(sep).join('/');
}

// oxlint requires a default export.
export default { meta: { name: 'house' }, rules: { walls } };
