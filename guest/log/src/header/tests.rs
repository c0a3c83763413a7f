//! Headers as the format has them, and others.

use super::*;

fn segment(form: Form) -> Segment {
    let term = Term {
        number: 0x0506,
        nonce: 0x0708,
    };
    Segment {
        name: Name {
            number: 0x0102,
            term: (form == Form::Growing).then_some(term),
        },
        form,
        term,
        first: 0x0102,
        follows: Some(0x0102),
        previous: (form == Form::Growing).then_some(Name {
            number: 0x99,
            term: None,
        }),
        end: 0x0304,
        header_bytes: form.header_bytes() as u64,
        is_seal: false,
    }
}

#[test]
fn headers_are_those_of_the_format() {
    let number = |low: &[u8]| [low, &[0; 6]].concat();
    let first = number(&[2, 1]);
    let term = [number(&[6, 5]), number(&[8, 7]), vec![0; 8]].concat();
    let growing = [
        &b"SIDXLOG1\x02\0\0\0"[..],
        &first,
        &first,
        &term,
        &number(&[0x99, 0]),
        &[0; 24],
    ]
    .concat();
    let whole = [
        &b"SIDXLOGC\x02\0\0\0"[..],
        &first,
        &first,
        &first,
        &number(&[4, 3]),
        &term,
    ]
    .concat();
    for (form, wanted, bytes) in [(Form::Growing, growing, 88), (Form::Whole, whole, 72)] {
        let checksum = checksum::crc32c(&wanted).to_le_bytes();
        let wanted = [&wanted[..], &checksum].concat();
        assert_eq!(segment(form).header(), wanted, "{form:?}");
        for cut in 0..bytes {
            let header = decode(form, segment(form).name, &wanted[..cut]);
            assert!(matches!(header, Header::Bad(_)), "{form:?} cut at {cut}");
        }
        assert_eq!(segment(form).header().len(), bytes);
        assert_eq!(form.header_bytes(), bytes);
    }
    let nothing = Segment {
        follows: None,
        previous: None,
        ..segment(Form::Growing)
    };
    assert_eq!(nothing.header()[20..28], [0xff; 8]);
    assert_eq!(nothing.header()[52..60], [0xff; 8]);
    assert_eq!(nothing.header()[60..84], [0; 24]);
}

#[test]
fn headers_of_version_1_are_read() {
    for form in [Form::Growing, Form::Whole] {
        let mut segment = segment(form);
        segment.name.term = None;
        let bytes = segment.untermed_header();
        assert_eq!(bytes.len(), form.untermed_header_bytes());
        let Header::Good(fields) = decode(form, segment.name, &bytes) else {
            panic!("{form:?} is refused");
        };
        assert_eq!((fields.term, fields.first), (Term::NONE, 0x0102));
        assert_eq!(fields.follows, Some(0x0102));
        assert_eq!(fields.previous, None);
    }
}

#[test]
fn headers_that_no_writer_makes_are_refused() {
    let good = segment(Form::Growing);
    let later = Some(Name {
        number: 0x0102,
        term: Some(Term {
            number: 0x0507,
            nonce: 0,
        }),
    });
    let other = Term {
        number: 1,
        nonce: 1,
    };
    for wrong in [
        Segment {
            follows: None,
            ..good
        },
        Segment {
            follows: Some(0x0101),
            ..good
        },
        Segment {
            previous: None,
            ..good
        },
        Segment {
            previous: Some(good.name),
            ..good
        },
        Segment {
            previous: later,
            ..good
        },
        Segment {
            term: other,
            ..good
        },
        Segment {
            first: 0x0103,
            ..good
        },
    ] {
        let header = decode(Form::Growing, good.name, &wrong.header());
        assert!(matches!(header, Header::Bad(_)), "{wrong:?}");
    }
    let header = decode(Form::Growing, good.name, &good.header());
    assert!(matches!(header, Header::Good(_)));
}
