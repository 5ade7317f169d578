package serve

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// directory serves --static: regular files and directories of an os.Root, which
// follows no link out of it.
type directory struct {
	root     *os.Root
	dotfiles bool // also serve names that begin with a dot
}

// Open opens a file for reading. Its errors are those that net/http answers
// with 403 and 404.
func (d directory) Open(name string) (fs.File, error) {
	f, err := d.open(name)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		err = fs.ErrNotExist
	default:
		err = fs.ErrPermission
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: err}
}

func (d directory) open(name string) (fs.File, error) {
	local, err := filepath.Localize(name)
	if err != nil || d.hidden(name) {
		return nil, fs.ErrNotExist
	}
	info, err := d.root.Stat(local) // first, because opening a device may have effects
	if err != nil {
		return nil, err
	}
	if !served(info.Mode()) {
		return nil, fs.ErrPermission
	}
	// O_NONBLOCK is for a FIFO that may have replaced the file meanwhile.
	f, err := d.root.OpenFile(local, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil || !served(info.Mode()) {
		f.Close()
		return nil, fs.ErrPermission
	}
	if info.IsDir() {
		return folder{f, name, d}, nil
	}
	return f, nil
}

// served reports whether files of this type are served. A read of a FIFO or a
// device may block forever.
func served(mode fs.FileMode) bool { return mode.IsRegular() || mode.IsDir() }

// hidden reports whether an element of the path begins with a dot. Only the
// name of a link counts, because creating a link publishes its target.
func (d directory) hidden(name string) bool {
	return !d.dotfiles && name != "." && slices.ContainsFunc(strings.Split(name, "/"), func(element string) bool {
		return strings.HasPrefix(element, ".")
	})
}

// folder is an open directory. It lists the files that Open opens.
type folder struct {
	*os.File
	name string
	directory
}

// ReadDir lists the directory as os.File does.
func (f folder) ReadDir(n int) ([]fs.DirEntry, error) {
	entries, err := f.File.ReadDir(n)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		name := path.Join(f.name, e.Name())
		if f.hidden(name) {
			return true
		}
		if e.Type()&fs.ModeSymlink == 0 {
			return !served(e.Type())
		}
		local, err := filepath.Localize(name)
		if err != nil {
			return true
		}
		info, err := f.root.Stat(local)
		return err != nil || !served(info.Mode())
	}), err
}
