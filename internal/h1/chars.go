package h1

// isToken reports whether c may stand in a token (RFC 9110, section 5.6.2).
func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}

// isText reports whether c may stand in a field value or a reason phrase:
// HTAB, SP, VCHAR and obs-text (RFC 9110, section 5.5).
func isText(c byte) bool {
	return c >= ' ' && c != 0x7f || c == '\t'
}

func isDigit(c byte) bool {
	return '0' <= c && c <= '9'
}

// ValidName reports whether s can be the name of a header field.
func ValidName(s string) bool {
	for i := range len(s) {
		if !isToken(s[i]) {
			return false
		}
	}
	return s != ""
}

// ValidValue reports whether s can be the value of a header field: no control
// character but the tab (RFC 9110, section 5.5).
func ValidValue(s string) bool {
	for i := range len(s) {
		if !isText(s[i]) {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t'
}
