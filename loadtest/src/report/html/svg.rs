//! Drawing: the few shapes that the charts need. All text goes through [`escape`], all colours through classes.

use std::fmt::Write as _;

use super::escape::escape;

/// A point, pixels of the view box.
pub(super) type Point = (f64, f64);

/// A rectangle, pixels of the view box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where text is relative to its point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing that grows.
pub(super) struct Svg {
    body: String,
    head: String,
}

impl Area {
    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

impl Svg {
    /// `id` is ours and unique in the page; screen readers say title and description.
    pub(super) fn new(id: &str, title: &str, description: &str, size: Point) -> Self {
        let (title, description) = (escape(title), escape(description));
        let (width, height) = size;
        let head = format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>"
        );
        Self { body: String::new(), head }
    }

    pub(super) fn line(&mut self, class: &str, from: Point, to: Point) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    pub(super) fn rect(&mut self, class: &str, area: Area) {
        self.rect_told(class, area, "");
    }

    /// With a tip that pointer and keyboard show; none if empty.
    pub(super) fn rect_told(&mut self, class: &str, area: Area, tip: &str) {
        let Area { left, top, width, height } = area;
        let tip = tip_attribute(tip);
        let size = format!("x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
        self.add(format_args!("<rect class=\"{class}\" {size}{tip}/>"));
    }

    /// `d` as in SVG 2, 9.3: only ours.
    pub(super) fn path(&mut self, class: &str, d: &str) {
        self.add(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    pub(super) fn dot(&mut self, class: &str, at: Point, tip: &str) {
        let ((x, y), tip) = (at, tip_attribute(tip));
        self.add(format_args!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"{tip}/>"));
    }

    pub(super) fn diamond(&mut self, class: &str, at: Point, tip: &str) {
        let ((x, y), tip) = (at, tip_attribute(tip));
        self.add(format_args!("<path class=\"{class}\" d=\"M{x:.1} {:.1}l6 6-6 6-6-6z\"{tip}/>", y - 6.0));
    }

    pub(super) fn text(&mut self, class: &str, at: Point, anchor: Anchor, text: &str) {
        let ((x, y), text) = (at, escape(text));
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// In a frame that can be scrolled and walked through with the arrow keys.
    pub(super) fn finish(self) -> String {
        format!("<div class=\"chart\" tabindex=\"0\">{}{}</svg></div>", self.head, self.body)
    }

    fn add(&mut self, shape: std::fmt::Arguments<'_>) {
        let _infallible = self.body.write_fmt(shape);
    }
}

/// A line through points.
pub(super) fn through(points: &[Point]) -> String {
    points.iter().enumerate().fold(String::new(), |mut d, (idx, (x, y))| {
        let _infallible = write!(d, "{}{x:.1} {y:.1}", if idx == 0 { 'M' } else { 'L' });
        d
    })
}

fn tip_attribute(tip: &str) -> String {
    if tip.is_empty() { String::new() } else { format!(" data-tip=\"{}\"", escape(tip)) }
}
