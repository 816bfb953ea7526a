// Draw the avatars that `benchmarks.foreign` reads: node dicebear.mjs FOLDER
//
// Needs: npm install @dicebear/core@9 @resvg/resvg-js@2 and @dicebear/STYLE@9 for each style below.
// Each name is a seed of DiceBear, so that the same versions draw the same avatars.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAvatar } from '@dicebear/core';
import { Resvg } from '@resvg/resvg-js';

const HALVES = {
  'dicebear-tuning': {
    styles: ['lorelei', 'open-peeps', 'adventurer', 'micah', 'personas', 'big-ears'],
    seeds: ['Cleo', 'Dana', 'Emil', 'Finn', 'Gwen', 'Hugo', 'Iris', 'Jonas'],
  },
  'dicebear-report': {
    styles: ['notionists', 'big-smile', 'croodles', 'avataaars', 'miniavs'],
    seeds: ['Ada', 'Ada B', 'Ada C', 'Ada D', 'Bo', 'Bo B', 'Bo C', 'Bo D'],
  },
};
const SIDE = 512;

const [folder] = process.argv.slice(2);
for (const [half, { styles, seeds }] of Object.entries(HALVES)) {
  for (const name of styles) {
    const style = await import(`@dicebear/${name}`);
    mkdirSync(join(folder, half, name), { recursive: true });
    for (const seed of seeds) {
      const drawn = createAvatar(style, { seed, size: SIDE, backgroundColor: ['d8e4ec'] });
      const rendered = new Resvg(drawn.toString(), { fitTo: { mode: 'width', value: SIDE } });
      writeFileSync(join(folder, half, name, `${seed}.png`), rendered.render().asPng());
    }
  }
}
