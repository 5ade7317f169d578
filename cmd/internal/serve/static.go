package serve

import (
	"errors"
	"io/fs"
)

// contained is the directory of --static: the file system of an os.Root, which follows
// no link out of it. That is refused as if the file could not be read.
type contained struct{ fs.FS }

func (c contained) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return f, err
}
