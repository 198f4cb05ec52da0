// The same for CommonJS. Not run.
import calsync = require('../index.cjs');

export const engine: calsync.Engine = new calsync.Engine();
export const report: Promise<calsync.Report> = engine.plan('home');
