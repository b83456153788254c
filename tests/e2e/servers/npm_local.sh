# Npm installs a local tarball
# needs: npm node
mkdir pkg app; echo '{"name":"little","version":"1.2.3","main":"m.js"}' >pkg/package.json
echo 'module.exports = 42' >pkg/m.js; export HOME=$PWD npm_config_cache=$PWD/cache
(cd pkg && npm pack --silent >/dev/null 2>&1); cd app; echo '{"name":"app"}' >package.json
npm install --offline --no-audit --no-fund --silent ../pkg/little-1.2.3.tgz >/dev/null 2>&1; echo $?
node -e 'console.log(require("little"))'
