package luaconfig

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// errMissing is the error of a file that is not there, which a program may
// catch. What else keeps the exporter from reading a file may not keep Prosody
// from it, so it ends the reading.
var errMissing error = missing{}

type missing struct{}

// Error implements error.
func (missing) Error() string { return "does not exist" }

// Is lets errors.Is find that it is fs.ErrNotExist.
func (missing) Is(target error) bool { return target == fs.ErrNotExist }

// readFile returns the content of a regular file.
func readFile(path string) (string, error) {
	// Not to wait for the other end of a pipe.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return "", &fs.PathError{Op: "read", Path: path, Err: errMissing}
	case errors.Is(err, fs.ErrPermission):
		return "", fileError(path, "the exporter may not read it: give it the right (the group prosody)")
	case err != nil:
		return "", err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return "", fileError(path, "it is a folder, not a file")
	case !info.Mode().IsRegular():
		return "", fileError(path, "it is no regular file")
	}
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err == nil && len(content) > maxSize {
		return "", fileError(path, "it is larger than 1 MiB, more than a configuration is")
	}
	return string(content), err
}

// resolve is resolve_relative_path of Prosody's util/paths.lua.
func resolve(folder, path string) string {
	if trimmed := strings.TrimPrefix(path, "."); trimmed != path && strings.HasPrefix(trimmed, "/") {
		path = strings.TrimLeft(trimmed, "/")
	}
	if strings.HasPrefix(path, "/") {
		return path
	}
	return strings.TrimRight(folder, "/") + "/" + path
}

// matching returns the paths of the files of a folder whose names match a
// pattern of * and ?, sorted. Prosody takes them in the order of the folder.
func matching(folder, pattern string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, errMissing
	case errors.Is(err, fs.ErrPermission):
		return nil, fileError(folder, "the exporter may not list the folder: give it the right (the group prosody)")
	case err != nil:
		return nil, err
	}
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	matches, err := regexp.Compile("(?s)^(?:" + expression + ")$")
	if err != nil {
		return nil, fileError(folder, "a pattern that cannot be matched")
	}
	var paths []string
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, ".") && matches.MatchString(name) {
			paths = append(paths, folder+"/"+name)
		}
	}
	return paths, nil
}
