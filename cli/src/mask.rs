//! Masks as pictures: PNG, one column a frame, one row a bin, the lowest bin at the bottom, black where the pixel is
//! kept.

use crate::fault::Fault;
use codec_format::symbols::Mask;
#[cfg(any(feature = "train", test))]
use png::{BitDepth, Encoder};
use png::{ColorType, Decoder, Transformations};
use std::io::Cursor;

/// Reads a mask for frames of `bins` bins. Colours and greys darker than the middle count as black, transparency for
/// nothing.
///
/// # Errors
/// [`Fault::Input`] for what is no PNG or not `bins` pixels high.
pub fn read(bytes: &[u8], bins: usize) -> Result<Mask, Fault> {
    let bad = |what: &dyn std::fmt::Display| Fault::Input(format!("is not a mask image: {what}"));
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| bad(&e))?;
    let (width, height) = reader.info().size();
    if height as usize != bins {
        return Err(bad(&format_args!(
            "it is {height} pixels high, but a frame has {bins} bins"
        )));
    }
    let size = reader.output_buffer_size();
    let mut pixels = vec![0; size.ok_or_else(|| bad(&"it is too large"))?];
    let info = reader.next_frame(&mut pixels).map_err(|e| bad(&e))?;
    let samples = info.color_type.samples();
    let colours = match info.color_type {
        ColorType::GrayscaleAlpha | ColorType::Rgba => samples - 1,
        _ => samples,
    };
    let kept = |frame: usize, bin: usize| {
        let at = (bins - 1 - bin) * info.line_size + frame * samples;
        let sum: usize = pixels[at..at + colours].iter().map(|&x| x as usize).sum();
        sum < 128 * colours
    };
    Ok((0..width as usize)
        .flat_map(|frame| (0..bins).map(move |bin| (frame, bin)))
        .map(|(frame, bin)| kept(frame, bin))
        .collect())
}

/// A mask over frames of `bins` bins as a file.
///
/// # Errors
/// [`Fault::Output`] for a mask without pixels.
#[cfg(any(feature = "train", test))]
pub fn write(mask: &Mask, bins: usize) -> Result<Vec<u8>, Fault> {
    let failed =
        |e: png::EncodingError| Fault::Output(format!("the mask cannot be written as PNG: {e}"));
    let frames = mask.len() / bins.max(1);
    let mut rows = vec![0xFFu8; frames.div_ceil(8) * bins];
    for at in mask.iter_ones() {
        let (frame, bin) = (at / bins, at % bins);
        rows[(bins - 1 - bin) * frames.div_ceil(8) + frame / 8] &= !(0x80 >> (frame % 8));
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, frames as u32, bins as u32);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&rows).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two frames of three bins: the first frame's second bin and the second frame's lowest are kept.
    fn mask() -> Mask {
        [false, true, false, true, false, false]
            .into_iter()
            .collect()
    }

    fn picture(colour: ColorType, width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, width, height);
        encoder.set_color(colour);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(pixels).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn the_lowest_bin_is_at_the_bottom_whatever_the_colours() {
        let grey = [255, 255, 0, 255, 255, 100];
        assert_eq!(
            read(&picture(ColorType::Grayscale, 2, 3, &grey), 3).unwrap(),
            mask()
        );
        let coloured: Vec<u8> = grey.iter().flat_map(|&x| [x, x / 2 + 60, x, 9]).collect();
        assert_eq!(
            read(&picture(ColorType::Rgba, 2, 3, &coloured), 3).unwrap(),
            mask()
        );
    }

    #[test]
    fn a_written_mask_reads_back() {
        assert_eq!(read(&write(&mask(), 3).unwrap(), 3).unwrap(), mask());
        let long: Mask = (0..19 * 257).map(|i| i * i % 7 < 2).collect();
        assert_eq!(read(&write(&long, 257).unwrap(), 257).unwrap(), long);
        assert!(write(&Mask::new(), 3).is_err());
    }

    #[test]
    fn bad_mask_images_are_named() {
        let good = picture(ColorType::Grayscale, 2, 3, &[0; 6]);
        for (bytes, bins) in [(&b""[..], 3), (b"P4", 3), (&good[..40], 3), (&good, 4)] {
            let fault = read(bytes, bins).unwrap_err();
            assert!(
                fault.to_string().starts_with("is not a mask image: "),
                "{fault}"
            );
            assert_eq!(fault.code(), 3);
        }
        assert!(read(&good, 3).unwrap().all());
    }
}
