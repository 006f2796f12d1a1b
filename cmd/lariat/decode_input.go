package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// looksHex reports whether data is text made of hex digits and what hex dumps
// put between them. No frame of a message looks so: its first byte is not
// printable.
func looksHex(data []byte) bool {
	digits := 0
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		p, err := hexLine(text)
		if err != nil {
			return false
		}
		digits += len(p)
	}
	return digits > 0
}

// parseHex reads hex digits in any grouping, with or without 0x, comments from
// # to the end of the line, and the dumps of xxd and hexdump -C.
func parseHex(data []byte) ([]byte, error) {
	var out []byte
	n := 0
	for line := range bytes.Lines(data) {
		n++
		p, err := hexLine(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		out = append(out, p...)
	}
	return out, nil
}

var (
	// 00000000: 8105 4865 6c6c 6f                        ..Hello
	xxdLine = regexp.MustCompile(`^[0-9a-fA-F]{4,16}: ((?:[0-9a-fA-F]{2,}[ ])*[0-9a-fA-F]{2,})(?:  .*)?$`)
	// 00000000  81 05 48 65 6c 6c 6f                              |..Hello|
	hexdumpLine = regexp.MustCompile(`^[0-9a-fA-F]{8}  ((?:[0-9a-fA-F]{2} +)+)\|.*\|$`)
	// 00000007, the last line of hexdump -C
	hexdumpEnd = regexp.MustCompile(`^[0-9a-fA-F]{8}$`)
)

func hexLine(line string) ([]byte, error) {
	line = strings.TrimRight(line, " \t\r\n")
	if m := xxdLine.FindStringSubmatch(line); m != nil {
		line = m[1]
	} else if m := hexdumpLine.FindStringSubmatch(line); m != nil {
		line = m[1]
	} else if hexdumpEnd.MatchString(line) && strings.HasPrefix(line, "0000") {
		return nil, nil
	}
	line, _, _ = strings.Cut(line, "#")
	line = strings.NewReplacer("0x", "", "0X", "", `\x`, "").Replace(line)
	line = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == ',' || r == ':' || r == '-' {
			return -1
		}
		return r
	}, line)
	p, err := hex.DecodeString(line)
	var bad hex.InvalidByteError
	switch {
	case errors.As(err, &bad):
		return nil, fmt.Errorf("%q is not a hex digit", rune(bad))
	case err != nil:
		return nil, errors.New("it has an odd number of hex digits")
	}
	return p, nil
}

// cutHead takes an HTTP head from the front of data, the opening handshake of a
// captured connection.
func cutHead(data []byte) (head, rest []byte) {
	if !bytes.HasPrefix(data, []byte("GET ")) && !bytes.HasPrefix(data, []byte("HTTP/1.")) {
		return nil, data
	}
	i := bytes.Index(data, []byte("\r\n\r\n"))
	if i < 0 {
		return nil, data
	}
	return data[:i+4], data[i+4:]
}
