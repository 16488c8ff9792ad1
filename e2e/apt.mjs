// Installs the system packages that the tests need. It works on Debian, as root.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Whether the packages were installed. */
export function aptInstall(...packages) {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return false;
  console.log(`Installing with apt-get: ${packages.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return [['update'], ['install', '-y', '--no-install-recommends', ...packages]].every((args) => {
    const { status, error } = spawnSync('apt-get', args, { stdio: 'inherit', env });
    return error === undefined && status === 0;
  });
}
