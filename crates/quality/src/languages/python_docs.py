import json, os, sys
from interrogate import config, coverage

skipped = {".git", ".venv", "venv", "node_modules", "build", "dist", ".worktrees", ".tox", "tests", "test"}
files = []
for folder, folders, names in os.walk("."):
    folders[:] = sorted(name for name in folders if name not in skipped)
    files += [
        os.path.join(folder, name)
        for name in sorted(names)
        if name.endswith(".py") and not name.startswith("test_") and not name.endswith("_test.py")
        and name not in ("conftest.py", "setup.py")
        # An empty file is there to make a package.
        and os.path.getsize(os.path.join(folder, name)) > 0
    ]
rules = config.InterrogateConfig(
    ignore_init_method=True, ignore_magic=True, ignore_nested_functions=True,
    ignore_private=True, ignore_property_decorators=False, ignore_semiprivate=True,
)
public = documented = 0
if files:
    result = coverage.InterrogateCoverage(paths=files, conf=rules).get_coverage()
    public, documented = result.total, result.covered
json.dump({"public": public, "documented": documented}, sys.stdout)
