// Command dist builds the archives of a release: wskit for each platform, with
// manual pages and completions, and the SHA-256 sums of the archives. Run it in
// the directory of module cmd. Builds are reproducible: the same source,
// version, time and Go release make the same bytes.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wskit/wskit/cmd/internal/app"
)

// platforms are the platforms of a release.
const platforms = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,freebsd/amd64"

// builder builds archives.
type builder struct {
	goCommand string
	program   string   // package to build
	flags     []string // of go build, beside those for the version
	env       []string // beside the platform
	out       string   // directory
	version   string
	time      time.Time // modification time of all files
	documents map[string][]byte
}

// newBuilder returns a builder of static binaries that contain no paths of this
// machine.
func newBuilder() *builder {
	return &builder{program: "./wskit", flags: []string{"-trimpath", "-buildvcs=false"}, env: []string{"CGO_ENABLED=0", "GOFLAGS="}}
}

func main() {
	b := newBuilder()
	var list, seconds string
	flag.StringVar(&b.out, "out", "../dist", "folder to write the archives and SHA256SUMS to")
	flag.StringVar(&b.version, "version", "", "version of the release (default: what git describes)")
	flag.StringVar(&b.goCommand, "go", "go", "go command")
	flag.StringVar(&list, "platforms", platforms, "platforms to build for, as GOOS/GOARCH with commas")
	flag.StringVar(&seconds, "time", os.Getenv("SOURCE_DATE_EPOCH"), "time of all files, in seconds since 1970 (default: $SOURCE_DATE_EPOCH, or that of the commit)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := b.init(seconds)
	if err == nil {
		err = b.run(ctx, strings.Split(list, ","))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// init sets what the flags leave open.
func (b *builder) init(seconds string) (err error) {
	if b.version == "" {
		if b.version, err = output("git", "describe", "--tags", "--always", "--dirty"); err != nil {
			return fmt.Errorf("no version: %w: give -version", err)
		}
	}
	if strings.ContainsAny(b.version, "/\\ '\"") {
		return fmt.Errorf("version %q is not valid in a file name", b.version)
	}
	if seconds == "" {
		if seconds, err = output("git", "log", "-1", "--format=%ct"); err != nil {
			return fmt.Errorf("no time: %w: give -time", err)
		}
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("time %q: want seconds since 1970", seconds)
	}
	b.time = time.Unix(n, 0).UTC()
	b.documents, err = app.Documents()
	return err
}

func output(name string, args ...string) (string, error) {
	p, err := exec.Command(name, args...).Output()
	return strings.TrimSpace(string(p)), err
}

// run builds an archive for each platform, and writes the sums.
func (b *builder) run(ctx context.Context, platforms []string) error {
	if err := os.MkdirAll(b.out, 0o777); err != nil {
		return err
	}
	var sums bytes.Buffer
	for _, platform := range platforms {
		name, p, err := b.archive(ctx, platform)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		if err := os.WriteFile(filepath.Join(b.out, name), p, 0o666); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(p), name)
		fmt.Println(filepath.Join(b.out, name))
	}
	return os.WriteFile(filepath.Join(b.out, "SHA256SUMS"), sums.Bytes(), 0o666)
}

// archive builds the archive for one platform.
func (b *builder) archive(ctx context.Context, platform string) (name string, p []byte, err error) {
	system, arch, ok := strings.Cut(platform, "/")
	if !ok {
		return "", nil, errors.New("want GOOS/GOARCH, such as linux/amd64")
	}
	binary, err := b.build(ctx, system, arch)
	if err != nil {
		return "", nil, err
	}
	license, err := os.ReadFile("../LICENSE")
	if err != nil {
		return "", nil, err
	}
	files := maps.Clone(b.documents)
	files["LICENSE"] = license
	folder := fmt.Sprintf("wskit_%s_%s_%s", strings.TrimPrefix(b.version, "v"), system, arch)
	if system == "windows" {
		files["wskit.exe"] = binary
		p, err = b.zip(folder, files)
		return folder + ".zip", p, err
	}
	files["wskit"] = binary
	p, err = b.tar(folder, files)
	return folder + ".tar.gz", p, err
}

// build builds the binary for a platform.
func (b *builder) build(ctx context.Context, system, arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "wskit-dist")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "wskit")
	args := slices.Concat([]string{"build"}, b.flags, []string{
		"-ldflags", "-s -w -buildid= -X github.com/wskit/wskit/cmd/internal/app.release=" + b.version, "-o", file, b.program,
	})
	cmd := exec.CommandContext(ctx, b.goCommand, args...)
	cmd.Env = slices.Concat(os.Environ(), b.env, []string{"GOOS=" + system, "GOARCH=" + arch})
	if p, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, p)
	}
	return os.ReadFile(file)
}

// mode returns the permissions of a file. A file without the extension of a
// document is executable.
func mode(name string) int64 {
	if name == "wskit" || name == "wskit.exe" {
		return 0o755
	}
	return 0o644
}

// tar packs files in the order of their names. The result does not differ
// between runs.
func (b *builder) tar(folder string, files map[string][]byte) ([]byte, error) {
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: folder + "/" + name, Mode: mode(name), Size: int64(len(files[name])), ModTime: b.time, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	err = errors.Join(w.Close(), z.Close())
	return buf.Bytes(), err
}

// zip is tar for Windows.
func (b *builder) zip(folder string, files map[string][]byte) ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: folder + "/" + name, Method: zip.Deflate, Modified: b.time}
		h.SetMode(os.FileMode(mode(name)))
		f, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(f, bytes.NewReader(files[name])); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}
