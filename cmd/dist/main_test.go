package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/app"
)

func testBuilder(t *testing.T) *builder {
	t.Chdir("..") // the module's folder
	b := newBuilder()
	b.goCommand, b.out, b.version = "go", t.TempDir(), "v1.2.3"
	require.NoError(t, b.init("1700000000"))
	return b
}

// One platform is built, the machine's own: the archive has what it promises, its sum is
// right, the binary runs, and a second build makes the same bytes. The build takes what the
// tests have compiled: TestStatic looks at the flags of a release.
func TestDist(t *testing.T) {
	if testing.Short() {
		t.Skip("it links the command twice")
	}
	b := testBuilder(t)
	b.flags, b.env = []string{"-buildvcs=false"}, nil
	platform := runtime.GOOS + "/" + runtime.GOARCH
	require.NoError(t, b.run(t.Context(), []string{platform}))
	folder := "wskit_1.2.3_" + runtime.GOOS + "_" + runtime.GOARCH
	if runtime.GOOS == "windows" {
		t.Skip("the archive is a zip: TestArchives looks into it")
	}
	p, err := os.ReadFile(filepath.Join(b.out, folder+".tar.gz"))
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(b.out, "SHA256SUMS"))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%x  %s.tar.gz\n", sha256.Sum256(p), folder), string(sums))

	files := untar(t, p)
	for _, name := range []string{"wskit", "LICENSE", "man/man1/wskit.1", "man/man1/wskit-bench.1", "completions/wskit.bash", "completions/_wskit", "completions/wskit.fish", "completions/wskit.ps1"} {
		require.Contains(t, files, folder+"/"+name)
	}
	binary := files[folder+"/wskit"]
	file := filepath.Join(t.TempDir(), "wskit")
	require.NoError(t, os.WriteFile(file, binary, 0o700))
	out, err := exec.Command(file, "--version").Output()
	require.NoError(t, err)
	require.Equal(t, "wskit v1.2.3\n", string(out))

	_, again, err := b.archive(t.Context(), platform)
	require.NoError(t, err)
	require.True(t, bytes.Equal(p, again), "a second build differs")
}

// A release has no path of the machine in it and needs no library. A small program shows
// it: the command would be compiled with all it imports.
func TestStatic(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the sections of the file are those of ELF")
	}
	b := testBuilder(t)
	b.program = "./dist/testdata/hello"
	binary, err := b.build(t.Context(), runtime.GOOS, runtime.GOARCH)
	require.NoError(t, err)
	root, err := output("go", "env", "GOROOT")
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, path := range []string{root + "/src", here} {
		require.False(t, bytes.Contains(binary, []byte(path)), "the binary has the path %s of this machine", path)
	}
	file, err := elf.NewFile(bytes.NewReader(binary))
	require.NoError(t, err)
	for _, p := range file.Progs {
		require.NotEqual(t, elf.PT_INTERP, p.Type, "the binary needs a dynamic linker")
	}
}

func untar(t *testing.T, p []byte) map[string][]byte {
	z, err := gzip.NewReader(bytes.NewReader(p))
	require.NoError(t, err)
	files := make(map[string][]byte)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		require.NoError(t, err)
		require.Equal(t, int64(1700000000), h.ModTime.Unix())
		require.Equal(t, strings.HasSuffix(h.Name, "/wskit"), h.Mode == 0o755, h.Name)
		files[h.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
}

// Both kinds of archive have their files in order, and only those.
func TestArchives(t *testing.T) {
	b := &builder{time: time.Unix(1700000000, 0).UTC()}
	files := map[string][]byte{"wskit": []byte("x"), "LICENSE": []byte("y"), "man/man1/a.1": []byte("z")}
	p, err := b.tar("f", files)
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"f/wskit": []byte("x"), "f/LICENSE": []byte("y"), "f/man/man1/a.1": []byte("z")}, untar(t, p))
	p, err = b.zip("f", files)
	require.NoError(t, err)
	r, err := zip.NewReader(bytes.NewReader(p), int64(len(p)))
	require.NoError(t, err)
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
		require.Equal(t, int64(1700000000), f.Modified.Unix())
	}
	require.Equal(t, []string{"f/LICENSE", "f/man/man1/a.1", "f/wskit"}, names)
}

// The manual pages are those that wskit man writes.
func TestDocuments(t *testing.T) {
	b := testBuilder(t)
	dir := t.TempDir()
	require.Zero(t, app.Run([]string{"man", dir}))
	pages, err := os.ReadDir(dir)
	require.NoError(t, err)
	var want, got []string
	for _, page := range pages {
		want = append(want, "man/man1/"+page.Name())
	}
	for name := range b.documents {
		if strings.HasPrefix(name, "man/") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	require.Equal(t, want, got)
}

func TestDistErrors(t *testing.T) {
	b := testBuilder(t)
	require.ErrorContains(t, b.run(t.Context(), []string{"linux"}), "linux: want GOOS/GOARCH")
	require.ErrorContains(t, b.run(t.Context(), []string{"linux/vax"}), "linux/vax: go build: ")
	require.ErrorContains(t, b.init("now"), `time "now": want seconds since 1970`)
	require.ErrorContains(t, (&builder{version: "a/b"}).init("1"), "not valid in a file name")
}
