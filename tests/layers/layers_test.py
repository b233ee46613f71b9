"""Plants includes, good and bad, in a small tree and looks at what layers.py makes of them."""

import pathlib
import tempfile
import unittest

import layers


class LayersTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)

    def write(self, file: str, *lines: str):
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")

    def found(self) -> list[str]:
        return layers.violations(self.root)

    def test_downward_includes_are_fine(self):
        self.write("proto/result.h", "#include <string>")
        self.write("proto/packet.h", '#include "proto/result.h"', "#include <sys/socket.h>")
        self.write("daemon/core/bo.h", "#include <vector>", '#include "proto/result.h"')
        self.write("daemon/core/bo.cpp", '#include "daemon/core/bo.h"', '#include "bo.h"')
        self.write("daemon/device/panfrost.cpp", '#include "daemon/core/bo.h"', '#include "proto/packet.h"')
        self.write("daemon/transport/codec.cpp", "#include <panbo.pb.h>", '#include "daemon/service/service.h"')
        self.write("daemon/app/main.cpp", '#include "daemon/transport/codec.h"', "#include <spdlog/spdlog.h>")
        self.write("client/include/panbo.h", "#include <stdint.h>")
        self.write("client/lib/client.cpp", '#include "panbo.h"', '#include "proto/packet.h"')
        self.write("client/cli/main.cpp", '#include "panbo.pb.h"', '#include "client/include/panbo.h"')
        self.assertEqual(self.found(), [])

    def test_names_file_and_line(self):
        self.write("daemon/core/bo.cpp", "// A BO.", "", '#include "daemon/service/service.h"')
        self.assertEqual(
            self.found(), ["daemon/core/bo.cpp:3: daemon/core must not include daemon/service/service.h"])

    def test_core_and_service_touch_neither_system_nor_threads(self):
        for folder in ("daemon/core", "daemon/service"):
            self.write(f"{folder}/a.cpp", "#include <unistd.h>", "#include <thread>", "#include <map>")
        self.assertEqual(self.found(), [
            "daemon/core/a.cpp:1: daemon/core must not include <unistd.h>",
            "daemon/core/a.cpp:2: daemon/core must not include <thread>",
            "daemon/service/a.cpp:1: daemon/service must not include <unistd.h>",
            "daemon/service/a.cpp:2: daemon/service must not include <thread>",
        ])

    def test_core_takes_from_proto_only_results(self):
        self.write("daemon/core/a.cpp", '#include "proto/result.h"', '#include "proto/packet.h"')
        self.assertEqual(self.found(), ["daemon/core/a.cpp:2: daemon/core must not include proto/packet.h"])

    def test_nothing_points_upward_or_sideways(self):
        for folder, above in (("proto", "daemon/core"), ("daemon/device", "daemon/service"),
                              ("daemon/service", "daemon/transport"), ("daemon/transport", "daemon/app"), ("daemon/app", "client/lib"),
                              ("client/lib", "daemon/core"), ("client/lib", "client/cli"),
                              ("client/include", "proto"), ("client/cli", "daemon/core")):
            with self.subTest(folder=folder, above=above):
                self.write(f"{folder}/a.h", f'  # include "{above}/b.h"')
                self.assertEqual(self.found(), [f"{folder}/a.h:1: {folder} must not include {above}/b.h"])
                (self.root / folder / "a.h").unlink()

    def test_a_way_round_by_dots_is_found(self):
        self.write("daemon/service/service.h")
        self.write("daemon/core/a.cpp", '#include "../service/service.h"')
        self.assertEqual(self.found(), ["daemon/core/a.cpp:1: daemon/core must not include daemon/service/service.h"])

    def test_nobody_includes_tests(self):
        self.write("daemon/app/main.cpp", '#include "tests/support/fake_clock.h"')
        self.assertEqual(
            self.found(), ["daemon/app/main.cpp:1: daemon/app must not include tests/support/fake_clock.h"])

    def test_the_library_does_not_use_protobuf(self):
        self.write("client/lib/a.cpp", "#include <panbo.pb.h>", '#include "proto/panbo.pb.h"')
        self.assertEqual(self.found(), [
            "client/lib/a.cpp:1: client/lib must not include proto/panbo.pb.h",
            "client/lib/a.cpp:2: client/lib must not include proto/panbo.pb.h",
        ])

    def test_a_folder_without_a_layer_is_a_violation(self):
        self.write("daemon/extra/a.h")
        self.assertEqual(self.found(), ["daemon/extra/a.h:1: no layer has this folder"])


if __name__ == "__main__":
    unittest.main()
