"""Adds up JUnit files of several runners: the closing line of scripts/test. A part that could not run counts as one failure."""
import sys
import xml.etree.ElementTree as xml

broken, passed, failed = int(sys.argv[1]), 0, 0
for path in sys.argv[2:]:
    for case in xml.parse(path).getroot().iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail"
        skipped = case.find("skipped") is not None
        if bad or skipped:  # nothing is skipped silently
            failed += 1
            print(f"FAILED {path.rsplit('/', 1)[-1][:-4]} {case.get('name')}{' (skipped)' if skipped else ''}")
        else:
            passed += 1
if broken and not failed:
    failed = 1
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or broken or not passed else 0)
