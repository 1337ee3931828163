//! The Python dictionary in a `.npy` header: only the literals that its three keys need.

use super::npy_header::MAX_AXES;

/// At most 120 characters of `text`, for messages.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The value of `descr`: a code, or the text of a list or tuple.
pub(super) enum Descr {
    Code(String),
    Other(String),
}

/// The three values of the dictionary.
pub(super) struct Fields {
    pub(super) descr: Descr,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// A reader of the few Python literals that a header uses; never recursive.
pub(super) struct Literal<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Literal<'a> {
    /// A reader at the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips blanks and shows the next character.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.at += rest.len() - trimmed.len();
        trimmed.chars().next()
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expected(&mut self, what: &str) -> String {
        self.peek();
        format!(
            "expected {what} at character {}, found {:?}",
            self.at,
            shorten(self.rest())
        )
    }

    /// The three values; the error says what was expected and what found.
    pub(super) fn fields(mut self) -> Result<Fields, String> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        if !self.take('{') {
            return Err(self.expected("a dictionary '{'"));
        }
        while !self.take('}') {
            let key = self.string()?;
            if !self.take(':') {
                return Err(self.expected("':'"));
            }
            let twice = match key.as_str() {
                "descr" => descr.replace(self.descr()?).is_some(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.tuple()?).is_some(),
                _ => {
                    return Err(format!(
                        "key {:?}; allowed are descr, fortran_order and shape",
                        shorten(&key)
                    ));
                }
            };
            if twice {
                return Err(format!("key {key:?} twice; allowed is once"));
            }
            if !self.take(',') && self.peek() != Some('}') {
                return Err(self.expected("',' or '}'"));
            }
        }
        if self.peek().is_some() {
            return Err(self.expected("the end of the header"));
        }
        Ok(Fields {
            descr: descr.ok_or("key descr is missing")?,
            fortran_order: fortran_order.ok_or("key fortran_order is missing")?,
            shape: shape.ok_or("key shape is missing")?,
        })
    }

    fn string(&mut self) -> Result<String, String> {
        let Some(quote @ ('\'' | '"')) = self.peek() else {
            return Err(self.expected("a quoted string"));
        };
        let body = &self.rest()[1..];
        let Some(end) = body.find(quote) else {
            return Err(self.expected("a string that ends"));
        };
        self.at += end + 2;
        Ok(body[..end].to_owned())
    }

    fn descr(&mut self) -> Result<Descr, String> {
        if !matches!(self.peek(), Some('[' | '(')) {
            return self.string().map(Descr::Code);
        }
        let start = self.at;
        let mut depth = 0usize;
        let mut quote = None;
        for (i, c) in self.rest().char_indices() {
            match (quote, c) {
                (Some(q), c) if c == q => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at = start + i + c.len_utf8();
                return Ok(Descr::Other(self.text[start..self.at].to_owned()));
            }
        }
        Err(self.expected("a list or tuple that ends"))
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.expected("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        if !self.take('(') {
            return Err(self.expected("a tuple '('"));
        }
        let mut axes = Vec::new();
        while !self.take(')') {
            self.peek();
            let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
            let word = &self.rest()[..digits];
            let Ok(n) = word.parse::<usize>() else {
                return Err(self.expected(&format!("an axis length of 0 to {}", usize::MAX)));
            };
            self.at += digits;
            // Python 2 wrote long integers with an L.
            let _ = self.rest().starts_with('L') && self.take('L');
            axes.push(n);
            if axes.len() > MAX_AXES {
                return Err(format!(
                    "more than {MAX_AXES} axes; allowed are at most {MAX_AXES}"
                ));
            }
            if !self.take(',') && self.peek() != Some(')') {
                return Err(self.expected("',' or ')'"));
            }
        }
        Ok(axes)
    }
}
