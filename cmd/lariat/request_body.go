package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"
)

// requestBody is what --data says to send.
type requestBody struct {
	text  string
	file  *os.File
	input io.Reader // standard input
	none  bool
}

// body reads --data.
func (f *requestFlags) body(in io.Reader) (*requestBody, error) {
	name, at := strings.CutPrefix(f.data, "@")
	switch {
	case !f.dataSet:
		return &requestBody{none: true}, nil
	case !at:
		return &requestBody{text: f.data}, nil
	case name == "-":
		return &requestBody{input: in}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fail(exitOther, "--data @FILE", "cannot read the body: %w", err)
	}
	return &requestBody{file: file}, nil
}

func (b *requestBody) close() {
	if b.file != nil {
		_ = b.file.Close()
	}
}

// drop has nothing sent from now on.
func (b *requestBody) drop() { b.none = true }

// again reports whether it can be sent another time.
func (b *requestBody) again() bool { return b.none || b.input == nil }

// attach gives it to a request. Standard input is of unknown length.
func (b *requestBody) attach(req *http.Request) error {
	var start []byte
	switch {
	case b.none:
		req.Header.Del("Content-Type")
		return nil
	case b.input != nil:
		req.Body, req.ContentLength = io.NopCloser(b.input), -1
	case b.file != nil:
		if _, err := b.file.Seek(0, io.SeekStart); err != nil {
			return fail(exitOther, "--data @- sends what a pipe gives", "cannot read the body: %w", err)
		}
		info, err := b.file.Stat()
		if err != nil || info.IsDir() {
			return fail(exitOther, "--data @FILE", "cannot read the body: %s is not a file with a size", b.file.Name())
		}
		req.Body, req.ContentLength = io.NopCloser(b.file), info.Size()
		start = make([]byte, 64)
		n, _ := b.file.ReadAt(start, 0)
		start = start[:n]
	default:
		start = []byte(b.text)
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(b.text)), int64(len(b.text))
	}
	if req.ContentLength == 0 {
		req.Body = http.NoBody
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", contentType(string(start)))
	}
	return nil
}

// sourceReader marks the errors of what is read, so that they are told from
// those of what is written.
type sourceReader struct{ r io.Reader }

type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = &sourceError{err}
	}
	return n, err
}

// terminalWriter writes to a terminal what cannot play with it. A character
// and a line end that came in part wait for the rest.
type terminalWriter struct {
	*printer
	part []byte
	last byte
}

func (t *terminalWriter) Write(p []byte) (int, error) {
	text := append(t.part, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if tail := text[len(text)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole = len(text) - i
			}
			break
		}
	}
	if whole > 0 && whole == len(text) && text[whole-1] == '\r' {
		whole-- // a line feed may follow
	}
	t.part = bytes.Clone(text[whole:])
	return len(p), t.show(text[:whole])
}

func (t *terminalWriter) show(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	t.last = p[len(p)-1]
	return t.write([]byte(printable(strings.ReplaceAll(string(p), "\r\n", "\n"))))
}

// end writes what is left, and ends the line.
func (t *terminalWriter) end() error {
	if err := t.show(t.part); err != nil || t.last == 0 || t.last == '\n' {
		return err
	}
	return t.write([]byte("\n"))
}

// bodyEvents prints a body as events.
type bodyEvents struct {
	*printer
	resp *http.Response
}

func (b *bodyEvents) Write(p []byte) (int, error) {
	return len(p), b.event("body", bodyOf(p, false, nil))
}

// end prints the last event, with the trailer.
func (b *bodyEvents) end() error { return b.event("body", bodyOf(nil, true, b.resp.Trailer)) }
