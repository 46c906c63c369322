"""Conan 2 recipe: the libraries, static or shared, and the headers."""

import re
from pathlib import Path

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain
from conan.tools.files import copy, load

required_conan_version = ">=2.0"


class KaonConan(ConanFile):
    name = "kaon"
    description = "WebRTC stack: ICE, DTLS, SRTP, SCTP, data channels, offer and answer"
    license = "MIT"
    topics = ("webrtc", "ice", "dtls", "srtp", "sctp", "rtp")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False}
    exports_sources = "CMakeLists.txt", "LICENSE", "apps/*", "cmake/*", "kaon/*", "packaging/*", "tests/lint/*", "web/*"

    def set_version(self):
        project = load(self, Path(self.recipe_folder) / "CMakeLists.txt")
        self.version = re.search(r"project\(kaon VERSION ([\d.]+)", project)[1]

    def requirements(self):
        self.requires("openssl/[>=3.0 <4]")
        self.requires("boost/[>=1.74]", visible=False, headers=True, libs=False)

    def validate(self):
        check_min_cppstd(self, 23)

    def layout(self):
        self.folders.build = "build/release"
        self.folders.generators = "build/conan"

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self, generator="Ninja")
        toolchain.cache_variables.update(KAON_BUILD_TESTS=False, KAON_BUILD_APPS=False)
        toolchain.user_presets_path = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, Path(self.package_folder) / "licenses")
        for component in ["devel", "shared", "shared-devel"] if self.options.shared else ["devel", "static"]:
            CMake(self).install(component=component)

    def package_info(self):
        self.cpp_info.set_property("cmake_find_mode", "none")  # the package has its own kaon-config.cmake
        self.cpp_info.builddirs = ["lib/cmake/kaon"]
        self.cpp_info.libs = ["kaon"] if self.options.shared else ["kaon", "kaon-core"]
        self.cpp_info.system_libs = [] if self.options.shared else ["pthread"]
