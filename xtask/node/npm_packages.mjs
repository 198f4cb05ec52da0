// Makes the folders of the npm packages: `calsync`, and `@calsync/...` of every platform of `bindings/node/platforms.json`.
//
//     node npm_packages.mjs ROOT INTO LIBRARY
//
// LIBRARY is the native part for this machine. The folders of the other platforms have all but theirs: whoever builds on one adds it.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [root, into, library] = process.argv.slice(2);
const source = join(root, 'bindings', 'node');
const { platform } = createRequire(import.meta.url)(join(source, 'platform.cjs'));
const platforms = JSON.parse(readFileSync(join(source, 'platforms.json'), 'utf8'));
const main = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
const LICENCES = ['LICENSE-APACHE', 'LICENSE-MIT'];

function folder(name, manifest, files) {
  const place = join(into, name);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const licence of LICENCES) copyFileSync(join(root, licence), join(place, licence));
  for (const [file, from] of files) copyFileSync(from, join(place, file));
  return place;
}

rmSync(into, { recursive: true, force: true });
const { scripts, ...published } = main;
const optionalDependencies = Object.fromEntries(platforms.map(({ name }) => [`@calsync/${name}`, main.version]));
const manifest = { ...published, files: [...main.files, ...LICENCES], optionalDependencies };
folder('calsync', manifest, [...main.files, 'README.md'].map((name) => [name, join(source, name)]));

const { version, license, homepage, repository, bugs, engines } = main;
for (const { name, os, cpu, libc } of platforms) {
  const native = `calsync.${name}.node`;
  const manifest = {
    name: `@calsync/${name}`,
    version,
    description: `The native part of calsync for ${name}`,
    license,
    homepage,
    repository,
    bugs,
    type: 'commonjs',
    main: native,
    files: [native, ...LICENCES],
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
  };
  const place = folder(name, manifest, name === platform() ? [[native, library]] : []);
  const readme = `# @calsync/${name}\n\nThe native part of [calsync](${homepage}) for ${name}. The package \`calsync\` installs and finds it.\n`;
  writeFileSync(join(place, 'README.md'), readme);
}
